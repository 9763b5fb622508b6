"""A broker as one was written for django-q2: it knows no more than it had to."""

from __future__ import annotations

import threading
from collections import deque
from uuid import uuid4

from django_q.brokers import Broker

#: What waits and what is held, by the name of the queue, for this process alone.
waiting: dict[str, deque] = {}
held: dict[str, dict] = {}
lock = threading.Lock()


class OldBroker(Broker):
    """A queue in memory."""

    def enqueue(self, task):
        waiting.setdefault(self.list_key, deque()).append(task)
        return len(waiting[self.list_key])

    def dequeue(self):
        with lock:
            if not waiting.get(self.list_key):
                return None
            ack_id = uuid4().hex
            task = waiting[self.list_key].popleft()
            held.setdefault(self.list_key, {})[ack_id] = task
        return [(ack_id, task)]

    def acknowledge(self, task_id):
        held[self.list_key].pop(task_id, None)

    def queue_size(self):
        return len(waiting.get(self.list_key, ()))

    def lock_size(self):
        return len(held.get(self.list_key, ()))

    def delete_queue(self):
        waiting.pop(self.list_key, None)
        held.pop(self.list_key, None)

    def ping(self):
        return True

    def info(self):
        return "Old broker"
