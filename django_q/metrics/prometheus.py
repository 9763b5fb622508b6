"""A collector for the package ``prometheus-client``.

``REGISTRY.register(Collector())`` adds the metrics of django_q to those that a project has itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django_q.brokers import Broker
from django_q.foreign_code.optional_packages import optional
from django_q.metrics.collection import collect
from django_q.metrics.exposition.families import INFO

metrics_core: Any = optional("prometheus_client.metrics_core")
registry: Any = optional("prometheus_client.registry")
if metrics_core is None:
    raise ImportError(
        "django_q.metrics.prometheus needs the package prometheus-client, which is not installed: "
        "pip install 'django-q[prometheus]'. django_q.metrics.metrics_view does without."
    )

__all__ = ["Collector"]


class Collector(registry.Collector):
    """Measures queues, clusters and schedules when the registry is read."""

    def __init__(self, broker: Broker | None = None) -> None:
        self.broker = broker

    def describe(self) -> list[Any]:
        """Return nothing: else the registry would measure everything when this is registered."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield the metrics of the package, one for each family."""
        for family in collect(self.broker):
            metric = metrics_core.Metric(family.name, family.help, family.kind, family.unit)
            for labels, value in family.samples:
                number = 1 if family.kind == INFO else value
                metric.add_sample(family.sample_name, labels, number)
            yield metric
