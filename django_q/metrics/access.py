"""Who may read the metrics."""

from __future__ import annotations

from django.utils.crypto import constant_time_compare

from django_q.conf import Conf


def has_token(authorization: str) -> bool:
    """Return True if an ``Authorization`` header shows the token of the settings."""
    scheme, _space, token = authorization.partition(" ")
    return (
        bool(Conf.METRICS_TOKEN)
        and scheme.lower() == "bearer"
        and constant_time_compare(token.strip(), str(Conf.METRICS_TOKEN))
    )
