"""Import optional packages; None where they are not installed."""

import os
from importlib import import_module
from types import ModuleType

#: Environment variables for the directory in which processes share metrics; either may be set.
PROMETHEUS_VARIABLES = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")


def optional(name: str) -> ModuleType | None:
    """Import a module, or return None where it, or its package, is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # An installed package that lacks a requirement of its own is an error to show.
        if error.name and not f"{name}.".startswith(f"{error.name}."):
            raise
        return None


croniter = optional("croniter")
psutil = optional("psutil")
setproctitle = optional("setproctitle")
resource = optional("resource")  # not on Windows
# Imported only where metrics are shared: it is large.
prometheus_multiprocess = (
    optional("prometheus_client.multiprocess")
    if any(map(os.environ.get, PROMETHEUS_VARIABLES))
    else None
)
