"""The heartbeats of a broker, those that are ignored as well."""

from __future__ import annotations

from django.core.signing import BadSignature

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.servers.database_clock import time_expression
from django_q.status import Stat, parsed_heartbeat


def readable_heartbeats(broker: Broker) -> list[Stat]:
    """Read the heartbeats of this project, whatever their age by the clock of their host."""
    return [each for each in parsed_heartbeats(broker) if isinstance(each, Stat)]


def count_foreign_heartbeats(broker: Broker) -> int:
    """Count the heartbeats under the name of this project that another key has signed."""
    return sum(isinstance(each, BadSignature) for each in parsed_heartbeats(broker))


def expired_heartbeats(broker: Broker) -> list[Stat]:
    """Read the last heartbeats of clusters that are gone; none where the server removes them.

    In a database they stay for an hour at least.
    """
    if type(broker).set_stat is not Broker.set_stat:
        return []
    now = time_expression(broker.heartbeats.alias)
    rows = broker.heartbeats.rows(key__startswith=f"{Conf.Q_STAT}:", expires__lt=now)
    parsed = [parsed_or_error(payload) for payload in rows.values_list("value", flat=True)]
    return [each for each in parsed if isinstance(each, Stat)]


def parsed_heartbeats(broker: Broker) -> list[Stat | Exception]:
    """Parse the heartbeats under the name of this project: each, or why it can not be read."""
    return [parsed_or_error(each) for each in broker.get_stats(f"{Conf.Q_STAT}:*") or []]


def parsed_or_error(payload: str | bytes) -> Stat | Exception:
    """Parse a heartbeat, or return why it can not be read."""
    try:
        return parsed_heartbeat(payload)
    except Exception as error:  # anything may have been written in place of a heartbeat
        return error
