"""A strict content security policy, as a site may have it: nothing inline or from elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = "default-src 'self'"
MIDDLEWARE = f"{__name__}.strict_policy"


def strict_policy(get_response: Callable) -> Callable:
    """Add the policy to each answer; a middleware."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = POLICY
        return response

    return answer
