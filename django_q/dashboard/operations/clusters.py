"""The clusters, and the page of one: its processes, and what they do."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.utils.translation import gettext_lazy as _

from django_q.brokers import adapt_broker
from django_q.brokers.broker_cache import shared_broker
from django_q.brokers.contract.orders import CANCEL_ORDER, PAUSE_ORDER
from django_q.dashboard.access import VIEW_QUEUES
from django_q.dashboard.figures.cluster_lines import cluster_line, cluster_lines, process_lines
from django_q.dashboard.orders import CLUSTER_ORDERS, PAUSE_PERMISSION, STOP_PERMISSION
from django_q.dashboard.page import Page
from django_q.status import Stat
from django_q.unfinished.reading import broker_for


class ClustersPage(Page):
    """All clusters that send heartbeats."""

    template_name = "django_q/dashboard/clusters.html"
    title = _("Clusters")
    section = "clusters"
    permissions = VIEW_QUEUES

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Read the heartbeats."""
        return {"clusters": cluster_lines(Stat.get_all(adapt_broker(shared_broker())))}


class ClusterPage(Page):
    """A cluster: its processes, what each worker runs, and a pause for it alone."""

    template_name = "django_q/dashboard/cluster.html"
    title = _("Cluster")
    section = "clusters"
    permissions = VIEW_QUEUES
    orders = CLUSTER_ORDERS

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Read the heartbeat of a cluster. Raises ``Http404`` if there is none."""
        stats = Stat.get_all(adapt_broker(shared_broker()))
        stat = next((each for each in stats if str(each.cluster_id) == parts["cluster"]), None)
        if stat is None:
            raise Http404
        broker = broker_for(stat.queue) if stat.queue else None
        obeyed = broker.obeys if broker else ()
        cluster = cluster_line(stat)
        return {
            "title": cluster.name,
            "cluster": cluster,
            "processes": process_lines(stat),
            "is_paused": bool(broker) and str(stat.cluster_id) in broker.control().paused_clusters,
            "can_pause": PAUSE_ORDER in obeyed and request.user.has_perm(PAUSE_PERMISSION),
            "can_stop": CANCEL_ORDER in obeyed and request.user.has_perm(STOP_PERMISSION),
        }
