"""Compatibility: django-q2's module of the Redis broker; see ``django_q.brokers.redis.broker``."""

from django_q.brokers.redis.broker import Redis

__all__ = ["Redis"]
