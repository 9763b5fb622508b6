"""Compatibility: django-q2's module of the SQS broker; see ``django_q.brokers.sqs.broker``."""

from django_q.brokers.sqs.broker import Sqs

__all__ = ["Sqs"]
