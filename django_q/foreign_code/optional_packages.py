"""Packages that are used where they are installed; None where they are not."""

import os
from importlib import import_module
from types import ModuleType

#: The directory in which processes share their metrics; the client reads either spelling.
PROMETHEUS_VARIABLES = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")


def optional(name: str) -> ModuleType | None:
    """Import a module, or return None where it, or its package, is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # A package that is there and lacks a requirement of its own is a fault to show.
        if error.name and not f"{name}.".startswith(f"{error.name}."):
            raise
        return None


croniter = optional("croniter")
psutil = optional("psutil")
setproctitle = optional("setproctitle")
resource = optional("resource")  # not on Windows
# Asked for only where metrics are shared: it is large.
prometheus_multiprocess = (
    optional("prometheus_client.multiprocess")
    if any(map(os.environ.get, PROMETHEUS_VARIABLES))
    else None
)
