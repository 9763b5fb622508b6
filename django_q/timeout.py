"""Compatibility: django-q2's module of time limits; see ``django_q.execution.time_limit``."""

from django_q.exceptions import TimeoutException
from django_q.execution.time_limit import TimeoutHandler

__all__ = ["TimeoutException", "TimeoutHandler"]
