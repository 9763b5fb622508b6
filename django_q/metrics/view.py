"""The metrics as a Django view."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_q.metrics.access import has_token
from django_q.metrics.collection import collect
from django_q.metrics.exposition.text_format import exposition


@require_safe
@never_cache
def metrics_view(request: HttpRequest) -> HttpResponse:
    """Show the metrics to staff, and to whoever shows ``Q_CLUSTER["metrics_token"]``.

    Answers with the status 401, or 403 to users who are not staff, and never redirects: readers
    are programs.
    """
    user: Any = getattr(request, "user", None)  # not without the middleware that sets it
    is_staff = bool(user and user.is_active and user.is_staff)
    if not is_staff and not has_token(request.headers.get("Authorization", "")):
        return refusal(is_known=bool(user and user.is_authenticated))
    found = exposition(collect(), request.headers.get("Accept", ""))
    return HttpResponse(found.body, content_type=found.content_type)


def refusal(is_known: bool) -> HttpResponse:
    """Refuse a request; whoever may have a token is told so."""
    text = "The metrics are for staff, and for those who show the token of the settings.\n"
    response = HttpResponse(text, content_type="text/plain", status=403 if is_known else 401)
    if not is_known:
        response["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return response
