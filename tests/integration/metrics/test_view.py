"""The view of the metrics: who may see it, and what a reader gets."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from prometheus_client.openmetrics.parser import text_string_to_metric_families

pytestmark = pytest.mark.django_db

TOKEN = "s3cret-of-the-metrics"


@pytest.fixture(autouse=True)
def _broker(broker):
    """Let the view measure an empty queue."""


def log_in(client, **values):
    client.force_login(User.objects.create_user("anna", **values))


def test_staff_sees_openmetrics(client):
    log_in(client, is_staff=True)

    response = client.get("/metrics")

    families = {f.name: f for f in text_string_to_metric_families(response.content.decode())}
    assert families["django_q_broker_up"].samples[0].value == 1
    assert response["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "no-store" in response["Cache-Control"]


def test_whoever_has_the_token_sees_them(client, conf):
    conf(metrics_token=TOKEN)

    response = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})

    assert response.status_code == 200


@pytest.mark.parametrize("token", [None, "", TOKEN])
@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer None", "Bearer wrong", f"Basic {TOKEN}"])
def test_nobody_else_sees_them(client, conf, token, header):
    conf(metrics_token=token)

    response = client.get("/metrics", headers={"authorization": header})

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert b"django_q_" not in response.content


def test_a_user_who_is_not_staff_is_refused(client):
    log_in(client)

    assert client.get("/metrics").status_code == 403


def test_nothing_is_changed_by_it(client):
    assert client.post("/metrics").status_code == 405
