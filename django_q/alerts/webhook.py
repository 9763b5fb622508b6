"""Send alerts to the webhook, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from django_q.alerts.messages import as_dict, body
from django_q.conf import Conf
from django_q.exceptions import DjangoQError
from django_q.models import Alert

#: Seconds of a connection, and for each part of the answer.
SOCKET_SECONDS = 10.0
#: The header of the signature: HMAC-SHA256 of the time, a dot and the body.
SIGNATURE_HEADER, TIME_HEADER = "X-Django-Q-Signature", "X-Django-Q-Timestamp"


class WebhookRefused(DjangoQError):
    """Raised when a webhook answers with something else than success."""


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a POST would become a GET without its body."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Return None: the answer is then an error."""


def signature(secret: str, timestamp: str, content: bytes) -> str:
    """Sign the body of a request and its time."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + content, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def request_of(table: Mapping, alerts: Sequence[Alert]) -> urllib.request.Request:
    """Make the request, with a text as Slack, Mattermost and others show it."""
    values = {
        "project": Conf.PREFIX,
        "text": body(alerts),
        "alerts": [as_dict(alert) for alert in alerts],
    }
    content, timestamp = json.dumps(values).encode(), str(int(time.time()))
    headers = {"Content-Type": "application/json", "User-Agent": "django-q", TIME_HEADER: timestamp}
    if table.get("secret"):
        headers[SIGNATURE_HEADER] = signature(str(table["secret"]), timestamp, content)
    return urllib.request.Request(str(table["url"]), content, headers, method="POST")


def post(table: Mapping, alerts: Sequence[Alert]) -> None:
    """Send alerts. Raises ``OSError`` where that fails, ``WebhookRefused`` for another answer."""
    opener = urllib.request.build_opener(NoRedirects)
    with opener.open(request_of(table, alerts), timeout=SOCKET_SECONDS) as answer:
        if not 200 <= answer.status < 300:
            raise WebhookRefused(f"the webhook answered with the status {answer.status}")
