"""The broker: whether it answers, how quickly, and whether it takes what it is given."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.doctor.findings.finding import Finding, error, info, warning
from django_q.exceptions import contain_error
from django_q.servers.advice import advice_about
from django_q.text.error_text import error_summary
from django_q.unfinished.reading import broker_for

#: Replies of which the median is told.
PING_COUNT = 5
#: Seconds of a reply above which each call of ``async_task()`` is noticed by who waits for it.
SLOW_REPLY_SECONDS = 0.02


def examine() -> Iterator[Finding]:
    """Ask the broker of this process."""
    broker = broker_for(None)
    try:
        seconds = reply_seconds(broker)
    except BaseException as failure:  # each driver has its own classes of errors
        contain_error(failure)
        yield unanswered(broker, failure)
        return
    kind = broker.info()
    if Conf.SYNC:
        text = "Q_CLUSTER['sync'] is True: tasks run at once, and none goes to the broker."
        yield info("broker-unused", text, "Leave 'sync' out where a cluster runs.")
    if seconds > SLOW_REPLY_SECONDS:
        yield warning(
            "broker-slow",
            f"{kind} takes {seconds * 1000:.0f} ms for a reply: so long does each call of "
            "async_task() wait.",
            "Bring it closer to the processes that enqueue, or enqueue many tasks at a time with "
            "async_iter() or a batch.",
        )
    else:
        yield info("broker-reachable", f"{kind} answers in {seconds * 1000:.2g} ms.")
    if not is_writable(broker):
        yield error(
            "broker-read-only",
            f"{kind} answers, and takes no writes: it is a replica, full, or can not save.",
            "Name the primary server in Q_CLUSTER; see the other findings about the server.",
        )


def reply_seconds(broker: Broker) -> float:
    """Measure the median of some replies in seconds. Raises what the driver raises."""
    broker.ping()  # connects
    taken = []
    for _round in range(PING_COUNT):
        began = time.perf_counter()
        if not broker.ping():
            raise ConnectionError("the broker says that it does not work")
        taken.append(time.perf_counter() - began)
    return median(taken)


def unanswered(broker: Broker, failure: BaseException) -> Finding:
    """Say why the broker does not answer."""
    if refusal := broker.refusal(failure):
        text = "The broker refuses this user."
        return error("broker-refuses", text, refusal)
    advice = advice_about(failure)
    return error(
        "broker-unreachable",
        f"The broker does not answer. {error_summary(failure)}",
        advice or "Start its server, or correct its address in Q_CLUSTER.",
    )


def is_writable(broker: Broker) -> bool:
    """Ask whether the server takes writes; any error means that it does not."""
    try:
        return broker.is_writable()
    except Exception:  # each driver has its own classes of errors
        return False
