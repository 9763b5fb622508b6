"""The brokers and databases that are measured together."""

from typing import NamedTuple


class Configuration(NamedTuple):
    """Where tasks wait and where results are stored."""

    broker: str  #: redis, sqlite, postgres
    results: str  #: none, sqlite, postgres

    @property
    def name(self) -> str:
        """Name it as the command line does."""
        return f"{self.broker}-{self.results}"

    @property
    def database(self) -> str:
        """Say which database Django has."""
        return next((kind for kind in self if kind in ("sqlite", "postgres")), "sqlite")

    @property
    def is_stored(self) -> bool:
        """Say whether results are stored."""
        return self.results != "none"


CONFIGURATIONS = {
    configuration.name: configuration
    for configuration in (
        Configuration("redis", "none"),
        Configuration("redis", "sqlite"),
        Configuration("redis", "postgres"),
        Configuration("sqlite", "none"),
        Configuration("sqlite", "sqlite"),
        Configuration("postgres", "none"),
        Configuration("postgres", "postgres"),
    )
}
