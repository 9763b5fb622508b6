"""Compatibility: django-q2's module of the terminal screens; see ``django_q.monitor``."""

from django_q.monitor import get_ids, get_process_mb, info, memory, monitor

__all__ = ["get_ids", "get_process_mb", "info", "memory", "monitor"]
