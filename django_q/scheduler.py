"""Compatibility: django-q2's module of the scheduler; see ``django_q.processes.scheduler``."""

from django_q.processes.scheduler import scheduler

__all__ = ["scheduler"]
