"""Check the entry of ``TASKS`` for this backend.

======  ==========================================================================
E021    ``django_q`` is not in ``INSTALLED_APPS``
E022    an entry of ``OPTIONS`` has a value of the wrong type
W021    an unknown entry of ``OPTIONS``
W022    the broker does not serve what tasks of the framework may ask for
I021    which queue of the project each of ``QUEUES`` stands for, where these are several
======  ==========================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Info, Warning

from django_q.brokers.broker_cache import shared_broker
from django_q.calls.enqueueing import broker_name, served_options
from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.task_backend.queue_choice import own_queue, queues_to_search
from django_q.text.error_text import error_summary
from django_q.wire.option_types import closest_name_hint
from django_q.wire.options import FLAG_TYPE, POSITIVE_DURATION_TYPE, normalize_option

#: The entries of ``OPTIONS``, and the type of each.
BACKEND_OPTION_TYPES = {"on_commit": FLAG_TYPE, "keep_results": POSITIVE_DURATION_TYPE}
#: What a broker must serve for all that a task of the framework may ask for, and for its result.
NEEDED_OPTIONS = {
    "priority": "a task with a priority is refused",
    "run_after": "a task with run_after is refused",
    "track": "the result of a task that waits is not found",
}


def check_backend(backend: Any) -> Iterator[CheckMessage]:
    """Yield what is wrong with the settings of a backend."""
    where = f"TASKS[{backend.alias!r}]"
    if not apps.is_installed("django_q"):
        text = f"{where} needs the app of this project, which INSTALLED_APPS does not have."
        yield Error(text, hint="Add 'django_q' to INSTALLED_APPS.", id="django_q.E021")
        return
    yield from check_options(backend.options, f"{where}['OPTIONS']")
    yield from check_brokers(backend, where)
    yield from check_queues(backend, where)


def check_options(options: Any, where: str) -> Iterator[CheckMessage]:
    """Check ``OPTIONS``."""
    if not isinstance(options, dict):
        text = f"{where} must be a dictionary; got a {type(options).__name__}."
        yield Error(text, id="django_q.E022")
        return
    for name, value in options.items():
        kind = BACKEND_OPTION_TYPES.get(name)
        if kind is None:
            hint = closest_name_hint(name, BACKEND_OPTION_TYPES) or None
            text = f"{where} has the unknown entry {name!r}, which is ignored."
            yield Warning(text, hint=hint, id="django_q.W021")
            continue
        try:
            normalize_option(name, value, kind, f"{where}[{name!r}]")
        except PackageError as error:
            yield Error(str(error), id="django_q.E022")


def check_brokers(backend: Any, where: str) -> Iterator[CheckMessage]:
    """Check that the brokers serve what tasks may ask for."""
    for cluster in queues_to_search(backend.queues):
        try:
            broker = shared_broker(cluster)
        except Exception as error:  # another check reports the setting that is at fault
            text = f"{where}: the broker can not be made: {error_summary(error)}."
            yield Warning(text, id="django_q.W022")
            return
        served = served_options(broker)
        if missing := [why for name, why in NEEDED_OPTIONS.items() if name not in served]:
            reasons = "; ".join(missing)
            text = f"{where}: the broker {broker_name(broker)} can not do all of it: {reasons}."
            hint = "Use Redis or a database as the broker."
            yield Warning(text, hint=hint, id="django_q.W022")
            return


def check_queues(backend: Any, where: str) -> Iterator[CheckMessage]:
    """Say which queues of a backend share the queue of a cluster."""
    if len(backend.queues) < 2:
        return
    clusters: dict[str, list[str]] = defaultdict(list)
    for name in sorted(backend.queues):
        clusters[own_queue(name) or Conf.CLUSTER_NAME].append(repr(name))
    parts = [f"{', '.join(names)} to that of {name!r}" for name, names in sorted(clusters.items())]
    text = f"{where}: tasks go to the queue of a cluster by their queue_name: {'; '.join(parts)}."
    hint = (
        "A name that ALT_CLUSTERS has is a queue of its own, for which a cluster must run: "
        "qcluster --name NAME. All others are labels."
    )
    yield Info(text, hint=hint, id="django_q.I021")
