"""Where django-q2 keeps the pusher."""

from django_q.processes.pusher import pusher

__all__ = ["pusher"]
