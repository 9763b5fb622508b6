"""Compatibility: django-q2's module of the pusher; see ``django_q.processes.pusher``."""

from django_q.processes.pusher import pusher

__all__ = ["pusher"]
