"""The overview: queues, clusters, what runs, failures, and schedules that are due."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_q.brokers import Broker, adapt_broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.contract.orders import PAUSE_ORDER
from django_q.dashboard.access import (
    USE_ANYTHING,
    VIEW_FAILURES,
    VIEW_QUEUES,
    VIEW_SCHEDULES,
    VIEW_TASKS,
    may,
)
from django_q.dashboard.charts.sparklines import last_hour
from django_q.dashboard.figures.cluster_lines import cluster_lines, run_lines
from django_q.dashboard.figures.failure_kinds import failure_kinds
from django_q.dashboard.figures.queue_lines import QueueLine, dead_letter_text, queue_lines
from django_q.dashboard.figures.schedule_lines import next_schedules
from django_q.dashboard.orders import QUEUE_ORDERS
from django_q.dashboard.page import Page, read_section
from django_q.models.admin_links import admin_address
from django_q.status import Stat, utc_now


class OverviewPage(Page):
    """The overview. Each section is read by itself, so one that can not be read hides no other."""

    template_name = "django_q/dashboard/overview.html"
    title = _("Overview")
    section = "overview"
    permissions = USE_ANYTHING
    orders = {name: QUEUE_ORDERS[name] for name in ("pause", "resume")}

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Read the sections that the user may view."""
        sections = {
            "work": (VIEW_QUEUES, read_work),
            "hour": (VIEW_TASKS, lambda: {"sparks": last_hour(time.time())}),
            "failures": (VIEW_FAILURES, lambda: {"kinds": failure_kinds(timezone.now())}),
            "due": (VIEW_SCHEDULES, lambda: {"schedules": next_schedules(utc_now())}),
        }
        shown = {
            name: read_section(read)
            for name, (permissions, read) in sections.items()
            if may(request.user, permissions)
        }
        return {**shown, "failure_list": admin_address("failure_changelist")}


def read_work() -> dict[str, Any]:
    """Read from the broker what waits and what runs."""
    broker = adapt_broker(shared_broker())
    stats = Stat.get_all(broker)
    queues = queue_lines(broker, stats)
    return {
        "broker": broker.info(),
        "queues": queues,
        "clusters": cluster_lines(stats),
        "runs": run_lines(stats),
        "totals": totals(queues, stats),
        "dead_letters": read_section(lambda: dead_letters(broker)),
        "obeys_pause": PAUSE_ORDER in broker.obeys,
    }


def dead_letters(broker: Broker) -> dict[str, Any]:
    """Count the dead letters."""
    return {"text": dead_letter_text(broker)}


def totals(queues: Sequence[QueueLine], stats: Sequence[Stat]) -> dict[str, Any]:
    """Add up the figures of all queues and clusters."""
    return {
        "waiting": sum(queue.counts.waiting for queue in queues),
        "delayed": sum(queue.counts.delayed for queue in queues),
        "is_counted": all(queue.is_counted for queue in queues),
        "running": sum(queue.running for queue in queues),
        "clusters": len(stats),
        "workers": sum(len(stat.workers) for stat in stats),
    }
