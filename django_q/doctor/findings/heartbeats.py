"""The heartbeats of a broker, those that are ignored as well."""

from __future__ import annotations

from django.core.signing import BadSignature

from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.status import Stat, parsed_heartbeat


def readable_heartbeats(broker: Broker) -> list[Stat]:
    """Read the heartbeats of this project, whatever their age by the clock of their host."""
    return [each for each in parsed_heartbeats(broker) if isinstance(each, Stat)]


def count_foreign_heartbeats(broker: Broker) -> int:
    """Count the heartbeats under the name of this project that another key has signed."""
    return sum(isinstance(each, BadSignature) for each in parsed_heartbeats(broker))


def parsed_heartbeats(broker: Broker) -> list[Stat | Exception]:
    """Parse the heartbeats under the name of this project: each, or why it can not be read."""
    found: list[Stat | Exception] = []
    for payload in broker.get_stats(f"{Conf.Q_STAT}:*") or []:
        try:
            found.append(parsed_heartbeat(payload))
        except Exception as error:  # anything may have been written in place of a heartbeat
            found.append(error)
    return found
