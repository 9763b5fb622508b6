"""Queues in the memory of one process: for tests of projects, and as the model of all brokers."""

from django_q.brokers.memory.broker import Memory
from django_q.brokers.memory.queue import clear_queues

__all__ = ["Memory", "clear_queues"]
