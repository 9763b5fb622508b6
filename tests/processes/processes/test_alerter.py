"""The alerter: a process of each cluster that has alerts, which tells once for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from django_q.brokers import get_broker
from django_q.models import Alert
from django_q.tasks import async_task
from tests.clusters import RunningCluster
from tests.integration.alerts.webhooks import running_webhook

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


def events(webhook: Any) -> list[str]:
    """List what a webhook was told."""
    alerts = [alert for _, body in webhook.requests for alert in json.loads(body)["alerts"]]
    return [f"{alert['event']} {alert['subject']}" for alert in alerts]


def test_two_clusters_tell_once_that_a_queue_is_deep_and_that_it_is_no_more(
    broker: Any, running_cluster: Callable[..., RunningCluster], wait_until: Callable
) -> None:
    async_task("tests.tasks.echo", 1, q_options={"cluster": "misspelt"})
    with running_webhook() as webhook:
        alerts = {"depth": {"misspelt": 0.5}, "webhook": webhook.url, "every": 0.5}
        clusters = [running_cluster(workers=1, alerts=alerts) for _ in range(2)]
        wait_until(lambda: events(webhook) == ["raised misspelt"])
        for cluster in clusters:
            cluster.wait_for("watching for alerts")
        dead = clusters[0].kill("alerter")
        wait_until(lambda: clusters[0].pids("alerter") not in ([], [dead]))

        get_broker("django_q:misspelt:q").delete_queue()

        wait_until(lambda: len(events(webhook)) > 1)
        wait_until(lambda: Alert.objects.filter(rule="depth", due=None).exists())
        assert [cluster.stop() for cluster in clusters] == [0, 0]
    assert events(webhook) == ["raised misspelt", "resolved misspelt"]


def test_a_cluster_without_alerts_has_no_alerter(
    broker: Any, running_cluster: Callable[..., RunningCluster]
) -> None:
    cluster = running_cluster(workers=1).wait_ready()

    assert cluster.pids("alerter") == []
