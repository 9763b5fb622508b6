"""Tasks with terms that tests add to a broker in a database, and time that passes for them."""

from __future__ import annotations

from datetime import timedelta
from hashlib import md5

from django.db.models import F

from django_q.brokers.terms import Terms
from django_q.models import OrmQ, TaskKey

KEY = md5(b"key").hexdigest()
OTHER_KEY = md5(b"other").hexdigest()


def add(broker, name, **terms):
    return broker.enqueue_task(name, Terms(name, **terms))


def take(broker, limit=10):
    return broker.dequeue(limit, wait=0)


def all_rows(broker):
    return OrmQ.objects.using(broker.alias)


def let_pass(broker, seconds):
    back = timedelta(seconds=seconds)
    broker.table.rows.update(lock=F("lock") - back)
    TaskKey.objects.using(broker.alias).update(expires=F("expires") - back)
