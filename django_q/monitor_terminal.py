"""Where django-q2 keeps the screens in the terminal; their home is ``django_q.monitor``."""

from django_q.monitor import get_ids, get_process_mb, info, memory, monitor

__all__ = ["get_ids", "get_process_mb", "info", "memory", "monitor"]
