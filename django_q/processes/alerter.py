"""The alerter: evaluates the rules of ``Q_CLUSTER["alerts"]``, once a minute.

A process of its own: it calls mail servers, webhooks and receivers of a project, and whatever they
do, no task and no schedule waits for it.
"""

from __future__ import annotations

from typing import Any

from django_q.alerts.evaluation import evaluate_in_turn
from django_q.alerts.rules import AlertRules
from django_q.brokers import adapt_broker, get_broker
from django_q.brokers.base import Broker
from django_q.conf import Conf
from django_q.descriptor_wait import wait_until_readable
from django_q.exceptions import contain_error
from django_q.processes.logs.repeated_errors import ThrottledLog
from django_q.processes.supervision.process_start import log_ready
from django_q.servers import connections
from django_q.servers.advice import with_advice
from django_q.text.error_text import error_summary


def alerter_of_cluster(event: Any, broker: Broker | None = None) -> None:
    """Evaluate the rules again and again until ``event`` is set: the body of the process."""
    broker, rules = adapt_broker(broker or get_broker()), AlertRules(Conf.ALERTS)
    failure_log = ThrottledLog("alerts are evaluated again")
    log_ready("watching for alerts")
    while not event.is_set():
        try:
            evaluate_in_turn(rules, broker)
            failure_log.log_recovery()
        except BaseException as error:
            contain_error(error)
            text = "alerts can not be evaluated: %s"
            summary = with_advice(error_summary(error), error)
            failure_log.log(type(error).__name__, text, summary)
        # Not kept for a minute, as nothing else needs it here.
        connections.close_all()
        wait_until_readable([event], rules.every)
    broker.close()
