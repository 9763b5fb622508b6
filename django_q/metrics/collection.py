"""Collect all metrics: from the broker, the heartbeats in it, and the database."""

from __future__ import annotations

from django.db import Error as DatabaseError

from django_q import __version__
from django_q.brokers import Broker, adapt_broker, get_broker
from django_q.conf import logger
from django_q.exceptions import BrokerUnavailable
from django_q.metrics.exposition.families import INFO, MEASURE, Families, Family
from django_q.metrics.figures.clusters import cluster_families
from django_q.metrics.figures.queues import queue_families
from django_q.metrics.figures.schedules import schedule_families
from django_q.servers.connections import close_old
from django_q.status import Stat, utc_now
from django_q.terminal.queue_figures import broker_errors_translated
from django_q.text.error_text import error_summary


def collect(broker: Broker | None = None) -> list[Family]:
    """Measure queues, clusters and schedules as they are now.

    Where the broker or the database does not answer, its families are missing, and
    ``django_q_broker_up`` or ``django_q_database_up`` is 0.
    """
    broker = adapt_broker(broker or get_broker())
    families = Families(
        ("build", INFO, "The release of django_q."),
        ("broker_up", MEASURE, "Whether the broker answers."),
        ("database_up", MEASURE, "Whether the database answers."),
    )
    of_broker, of_database = broker_families(broker), database_families()
    families["build"].add(1, version=__version__)
    families["broker_up"].add(of_broker is not None)
    families["database_up"].add(of_database is not None)
    return [*families.as_list(), *(of_broker or []), *(of_database or [])]


def broker_families(broker: Broker) -> list[Family] | None:
    """Measure queues and clusters; None if the broker does not answer."""
    try:
        with broker_errors_translated(broker):
            stats = Stat.get_all(broker)
            return [*queue_families(broker, stats), *cluster_families(stats)]
    except BrokerUnavailable as error:
        logger.warning("metrics of the broker are missing: %s", error_summary(error))
        return None


def database_families() -> list[Family] | None:
    """Measure schedules; None if the database does not answer."""
    try:
        return schedule_families(utc_now())
    except (DatabaseError, BrokerUnavailable) as error:  # the latter from a time limit
        close_old()  # so that the next query opens a connection that works
        logger.warning("metrics of the database are missing: %s", error_summary(error))
        return None
