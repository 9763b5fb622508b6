"""Metrics of queues, clusters and schedules, as monitoring systems read them.

``metrics_view`` is a Django view. ``django_q.metrics.prometheus`` has a collector for the package
prometheus-client.
"""

from django_q.metrics.view import metrics_view

__all__ = ["metrics_view"]
