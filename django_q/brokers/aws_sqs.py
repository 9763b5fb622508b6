"""The public path of the SQS broker, whose home is ``django_q.brokers.sqs.broker``."""

from django_q.brokers.sqs.broker import Sqs

__all__ = ["Sqs"]
