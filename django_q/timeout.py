"""Where django-q2 keeps the time limit of a block of code."""

from django_q.exceptions import TimeoutException
from django_q.execution.time_limit import TimeoutHandler

__all__ = ["TimeoutException", "TimeoutHandler"]
