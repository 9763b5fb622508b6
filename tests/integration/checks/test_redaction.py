"""No secret is in the printed configuration or in the log."""

from __future__ import annotations

import logging
from io import StringIO

import pytest
from django.core.management import call_command

from django_q.conf import Conf

pytestmark = pytest.mark.django_db(transaction=True)


SECRET = "a-secret-that-nobody-may-read"


@pytest.mark.parametrize(
    "options",
    [
        {"redis": f"redis://user:{SECRET}@127.0.0.1:6379/0"},
        {"redis": {"host": "127.0.0.1", "password": SECRET}},
        {"redis": f"redis://127.0.0.1:6379/0?password={SECRET}"},
        {"sqs": {"aws_region": "x", "aws_secret_access_key": SECRET, "aws_access_key_id": SECRET}},
        {"error_reporter": {"sentry": {"dsn": f"https://{SECRET}@example.org/1"}}},
        {"error_reporter": {"rollbar": {"access_token": SECRET}}},
    ],
)
def test_no_secret_is_in_the_printed_configuration(conf, settings, options):
    settings.SECRET_KEY = f"{SECRET}-key"
    conf(**options)
    out = StringIO()

    call_command("qinfo", "--config", stdout=out)

    assert SECRET not in out.getvalue()
    assert "REDIS" in out.getvalue()


def test_no_secret_is_in_the_log_of_a_broker_that_does_not_answer(conf, caplog, wait_until):
    from threading import Event, Thread

    from django_q.brokers import get_broker
    from django_q.cluster import pusher
    from django_q.queues import Queue

    conf(redis=f"redis://user:{SECRET}@127.0.0.1:1/0")
    stopped, task_queue = Event(), Queue()

    with caplog.at_level(logging.DEBUG):
        body = Thread(target=pusher, args=(task_queue, stopped, get_broker()))
        body.start()
        wait_until(lambda: "can not take tasks" in caplog.text)
        stopped.set()
        body.join(60)

    assert SECRET not in caplog.text
    assert Conf.SECRET_KEY not in caplog.text
