"""Where django-q2 keeps the worker."""

from django_q.processes.worker import rss_check, worker

__all__ = ["rss_check", "worker"]
