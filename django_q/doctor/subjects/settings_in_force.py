"""The settings: what the system checks say, leases, and the cache of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.conf import settings
from django.core import checks as django_checks

from django_q.checks import check_deployment, check_distributions, check_q_cluster
from django_q.conf import Conf
from django_q.doctor.findings.finding import ERROR, NOTE, WARNING, Finding, error, info, warning
from django_q.exceptions import contain_error
from django_q.results.cache import UNSHARED_CACHE_BACKENDS
from django_q.servers.connections import cache_of
from django_q.text.error_text import error_summary

#: Seconds below which a lease ends while a busy host only stands still for a moment.
MIN_LEASE_SECONDS = 10
#: A key that nothing has: to ask for it changes nothing in the cache.
PROBE_CACHE_KEY = "django_q:doctor"


def examine() -> Iterator[Finding]:
    """Look at the settings of this process."""
    yield from system_checks()
    yield from lease_findings()
    yield from cache_findings()


def system_checks() -> Iterator[Finding]:
    """Yield what the system checks of this app say, but for those that the project silences.

    That of the table of the outbox is left out: it needs the database, which is examined itself.
    """
    messages = [*check_q_cluster(), *check_distributions()]
    if not settings.DEBUG:
        messages += check_deployment()
    for message in messages:
        if not message.is_silenced():
            level = level_of(message)
            yield Finding(message.id or "django_q", level, str(message.msg), message.hint or "")


def level_of(message: django_checks.CheckMessage) -> str:
    """Convert the level of a system check."""
    if message.level >= django_checks.ERROR:
        return ERROR
    return WARNING if message.level >= django_checks.WARNING else NOTE


def lease_findings() -> Iterator[Finding]:
    """Look at how leases, time limits and the stop go together; ``retry`` has a system check."""
    if Conf.RETRY < MIN_LEASE_SECONDS:
        yield warning(
            "lease-short",
            f"Q_CLUSTER['retry'] is {Conf.RETRY:g} seconds: a cluster whose host stands still for "
            "so long loses its leases, and its tasks are run a second time.",
            "Set 'retry' to 60 or more. Leases of running tasks are extended, so a long one only "
            "delays tasks of a cluster that has died.",
        )
    if Conf.TIMEOUT is None:
        yield info(
            "no-time-limit",
            "Q_CLUSTER['timeout'] is not set: a task that hangs occupies its worker until somebody "
            "cancels it.",
            "Set 'timeout' to more seconds than your longest task takes; a task may have its own.",
        )
    elif Conf.TIMEOUT > Conf.STOP_TIMEOUT:
        yield info(
            "stop-before-end",
            f"A task may run for {Conf.TIMEOUT:g} seconds, and a stop waits for "
            f"{Conf.STOP_TIMEOUT:g}: a deploy ends longer ones, which begin again later.",
            "Raise 'stop_timeout', and the grace period of what stops the cluster; or have such "
            "tasks use current_task.iterate(), which goes on where it was.",
        )


def cache_findings() -> Iterator[Finding]:
    """Look at the cache for cached results."""
    options = settings.CACHES.get(Conf.CACHE)
    backend = options.get("BACKEND", "") if isinstance(options, Mapping) else ""
    if backend in UNSHARED_CACHE_BACKENDS:
        if not Conf.CACHED:  # else a system check says it
            yield info(
                "cache-unshared",
                f"The cache '{Conf.CACHE}' is a {backend.rpartition('.')[2]}, which no other "
                "process sees: results of tasks with cached=True would not be found.",
                "Use such tasks only with a shared cache, as of Redis or a database, named in "
                "Q_CLUSTER['cache'].",
            )
        return
    try:
        cache_of(Conf.CACHE).get(PROBE_CACHE_KEY)
    except BaseException as failure:  # whatever a cache raises
        contain_error(failure)
        make = error if Conf.CACHED else warning
        yield make(
            "cache-unusable",
            f"The cache for results can not be read. {error_summary(failure)}",
            "Start its server, or name another cache in Q_CLUSTER['cache'].",
        )
