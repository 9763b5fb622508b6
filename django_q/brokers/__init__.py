"""Choose the broker: the queue in which packages wait until a cluster takes them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_q.brokers.adapter import BrokerAdapter
from django_q.brokers.base import Broker
from django_q.brokers.contract.delivery import Delivery
from django_q.conf import Conf
from django_q.servers.connections import check_database

__all__ = ["Broker", "Delivery", "get_broker", "leased"]

#: Options of the predecessors for which there is no broker here, with the service of each.
REMOVED_BROKER_SERVICES = {"iron_mq": "IronMQ", "mongo": "MongoDB", "disque_nodes": "Disque"}


def get_broker(list_key: str | None = None) -> Any:
    """Make the broker that ``Q_CLUSTER`` configures, for the queue of the cluster ``list_key``.

    Without a name, it is for the queue of this process's cluster.
    """
    return broker_class()(list_key)


def broker_class() -> type:
    """Return the first broker class that is configured: broker_class, sqs, orm, and else Redis."""
    if Conf.BROKER_CLASS:
        custom: type = import_string(Conf.BROKER_CLASS)
        return custom
    if Conf.SQS is not None:
        from django_q.brokers.sqs.broker import Sqs

        return Sqs
    if Conf.ORM:
        check_database(Conf.ORM)
        from django_q.brokers.orm.broker import ORM

        return ORM
    check_removed_brokers(getattr(settings, "Q_CLUSTER", None) or {})
    from django_q.brokers.redis.broker import Redis

    return Redis


def redis_broker_for_client(
    client: Any, cluster: str | None = None, list_key: str | None = None
) -> Any:
    """Make a Redis broker that uses ``client``, for a cluster's queue or a list of any key."""
    from django_q.brokers.redis.broker import Redis

    broker = Redis(cluster)
    broker.connection, broker.has_foreign_client = client, True
    broker.list_key = list_key or broker.list_key
    return broker


def check_removed_brokers(options: Mapping[str, Any]) -> None:
    """Raise ``ImproperlyConfigured`` if the settings name a service that has no broker here."""
    for option in REMOVED_BROKER_SERVICES.keys() & options.keys():
        raise ImproperlyConfigured(
            f"Q_CLUSTER['{option}']: there is no broker for {REMOVED_BROKER_SERVICES[option]}. "
            f"Set 'redis', 'orm' or 'sqs' in its place, or 'broker_class' to a broker of your own."
        )


def adapt_broker(broker: Any) -> Any:
    """Return a broker that has leases: wrap one whose ``dequeue`` was written for django-q2."""
    if "limit" in inspect.signature(broker.dequeue).parameters:
        return broker
    return BrokerAdapter(broker)
