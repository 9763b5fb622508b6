"""Compatibility: django-q2's module of the worker; see ``django_q.processes.worker``."""

from django_q.processes.worker import rss_check, worker

__all__ = ["rss_check", "worker"]
