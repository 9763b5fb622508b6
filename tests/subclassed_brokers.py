"""Brokers of projects that derive from ours, as they are written for django-q2."""

from __future__ import annotations

import os
import time

from django.utils import timezone

from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf

#: What was called, in this process.
calls: list[tuple] = []


def noted(base: type, *names: str) -> type:
    """Derive a class that notes the calls of some methods, and does what it did."""

    def noting(name: str):
        def method(self, *args):
            calls.append((name, *args))
            return getattr(super(made, self), name)(*args)

        return method

    made = type(f"Noted{base.__name__}", (base,), {name: noting(name) for name in names})
    return made


class PlainORM(ORM):
    def dequeue(self):
        return super().dequeue()


class AnyORM(ORM):
    def dequeue(self, *args, **kwargs):
        return super().dequeue(*args, **kwargs)


class ExitingORM(ORM):
    """Ends the process that takes tasks."""

    def dequeue(self, *args, **kwargs):
        os._exit(7)


class PlainRedis(Redis):
    def dequeue(self):
        return super().dequeue()


class AnyRedis(Redis):
    def dequeue(self, *args, **kwargs):
        return super().dequeue(*args, **kwargs)


class BareORM(ORM):
    """Takes rows by itself; a receipt is the id of a row."""

    def dequeue(self):
        found = self.get_connection().filter(key=self.list_key, lock__lt=timezone.now())
        tasks = []
        for row in found[: Conf.BULK]:
            same = self.get_connection().filter(id=row.id, lock=row.lock)
            if same.update(lock=self.timeout(row)):
                tasks.append((row.pk, row.payload))
        if tasks:
            return tasks
        time.sleep(Conf.POLL)
        return None


class BareRedis(Redis):
    """Pops by itself; there is no receipt."""

    def dequeue(self):
        task = self.connection.blpop(self.list_key, 1)
        return [(None, task[1])] if task else None


class OddRedis(Redis):
    """Gives one pair, with a receipt that no driver can encode."""

    def dequeue(self):
        task = self.connection.blpop(self.list_key, 1)
        return ({"message": 1}, task[1]) if task else None
