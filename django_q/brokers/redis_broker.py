"""The public path of the Redis broker, whose home is ``django_q.brokers.redis.broker``."""

from django_q.brokers.redis.broker import Redis

__all__ = ["Redis"]
