"""A project whose driver is psycopg 2, which Django takes where psycopg 3 is not installed."""

from __future__ import annotations

import os
import subprocess
import sys

from django.db import connections

#: Waits for tasks from other threads, and again when the connection it listens on was cut off.
PROJECT = """
import os
import sys
import threading

sys.modules["psycopg"] = None

import django
from django.conf import settings

from tests.settings import from_url

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_q"],
    DATABASES={"default": from_url(os.environ["DJANGO_Q_TEST_DATABASE_URL"])},
    Q_CLUSTER={"name": "psycopg2", "orm": "default", "poll": 60},
    SECRET_KEY="test",
)
django.setup()

from django.db import connection

from django_q.brokers import get_broker
from django_q.brokers.orm import queue_wait
from django_q.exceptions import BrokerUnavailable
from django_q.processes.server_calls import call_timeout

assert connection.Database.__name__ == "psycopg2"
# Who polls is late.
queue_wait.MIN_QUEUE_POLL_INTERVAL, queue_wait.LISTEN_RETRY_INTERVAL = 60, 0


def enqueue(payload):
    get_broker().enqueue(payload)
    connection.close()


def wait_for_notification(payload):
    thread = threading.Timer(0.3, enqueue, [payload])
    thread.start()
    deliveries = broker.dequeue(wait=30)
    thread.join()
    assert [delivery.payload for delivery in deliveries] == [payload]
    assert broker.acknowledge(deliveries[0].ack_id)


broker = get_broker()
wait_for_notification("first")
pid = broker.queue_wait.listener.info.backend_pid
with connection.cursor() as cursor:
    cursor.execute("SELECT PG_TERMINATE_BACKEND(%s, 5000)", [pid])
assert broker.dequeue(wait=0.3) == []
wait_for_notification("second")
assert broker.queue_wait.listener.info.backend_pid != pid
assert not broker.queue_wait.listener.notifies
broker.close()

call_timeout.CALL_TIMEOUT_SECONDS = 0.5
try:
    with call_timeout.call_timeout(), connection.cursor() as cursor:
        cursor.execute("SELECT PG_SLEEP(60)")
except BrokerUnavailable:
    connection.close()
else:
    raise AssertionError("the wait was not ended")
assert broker.ping()
broker.close()
"""


def test_a_cluster_is_notified_by_psycopg_2(postgres):
    server = connections[postgres].settings_dict
    address = f"{server['USER']}:{server['PASSWORD']}@{server['HOST']}:{server['PORT']}"
    url = f"postgresql://{address}/{server['NAME']}"

    ran = subprocess.run(
        [sys.executable, "-c", PROJECT],
        env={**os.environ, "DJANGO_Q_TEST_DATABASE_URL": url},
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
    )

    assert ran.returncode == 0, ran.stderr
