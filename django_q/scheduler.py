"""Where django-q2 keeps the scheduler."""

from django_q.processes.scheduler import scheduler

__all__ = ["scheduler"]
