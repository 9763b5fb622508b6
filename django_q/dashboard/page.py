"""What all pages of the dashboard share: rights, layout, orders, and answers to live polling."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.cache import get_conditional_response
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from django_q.conf import Conf, logger
from django_q.dashboard.access import USE_ANYTHING, may, sections_for
from django_q.dashboard.display import STATE_TEXTS
from django_q.dashboard.orders import Order, give_order
from django_q.text.error_text import error_summary

#: What differs in each answer of a page although nothing has changed: tokens against forgery.
CHANGING_PARTS = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"')


@method_decorator([never_cache, csrf_protect], name="dispatch")
class Page(View):
    """A page of the dashboard: read by GET, and given orders by the forms in it.

    It is in the admin if it has its ``site``, and else stands alone, for staff only.
    """

    #: The admin's site that the page is in.
    site: Any = None
    #: Extends ``layout``, and fills the block ``page``.
    template_name = ""
    title: Any = ""
    #: The entry of the navigation that it belongs to.
    section = ""
    #: Permissions of which one is needed to see the page.
    permissions: tuple[str, ...] = USE_ANYTHING
    #: What its forms may order, by the value of ``action``.
    orders: Mapping[str, Order] = {}

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Return the context of the template; ``parts`` are those of the address.

        May raise ``Http404``. Any other error, as of a broker that is away, is told on the page.
        """
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args: Any, **parts: Any) -> HttpResponse:
        """Answer those alone who may see the page; others are sent to the login."""
        if self.site is None and not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), login_address())
        is_permitted = self.site is not None or request.user.is_staff
        if not is_permitted or not may(request.user, self.permissions):
            raise PermissionDenied
        return super().dispatch(request, *args, **parts)

    def get(self, request: HttpRequest, **parts: Any) -> HttpResponse:
        """Show the page; 304 if the client has it as it is."""
        text = render_to_string(self.template_name, self.context(request, parts), request)
        # A name or a note of a task may have lone surrogates: so has a file's that is not UTF-8.
        content = text.encode(errors="backslashreplace")
        response = HttpResponse(content, content_type="text/html; charset=utf-8")
        response["ETag"] = content_tag(response.content)
        return get_conditional_response(request, etag=response["ETag"], response=response)

    def post(self, request: HttpRequest, **parts: Any) -> HttpResponse:
        """Give the order that a form of the page has sent, and show the page anew."""
        give_order(request, self.orders)
        return HttpResponseRedirect(request.get_full_path())

    def context(self, request: HttpRequest, parts: Mapping[str, Any]) -> dict[str, Any]:
        """Make the context of the template; with ``errors`` alone if the page can not be read."""
        namespace = request.resolver_match.namespace
        place = "in_admin" if self.site else "alone"
        shared = {
            **(self.site.each_context(request) if self.site else {}),
            "layout": f"django_q/dashboard/{place}.html",
            "label": Conf.LABEL,
            "title": self.title,
            "section": self.section,
            "sections": sections_for(request.user),
            "states": STATE_TEXTS,
            # {% url pages|add:"queue" queue=name %} is the address of a page.
            "pages": f"{namespace}:",
            "can": [name for name, (permission, _give) in self.orders.items()
                    if request.user.has_perm(permission)],
        }  # fmt: skip
        try:
            return {**shared, **self.content(request, **parts)}
        except (Http404, PermissionDenied):
            raise
        except Exception as error:  # the broker's, or the database's
            logger.warning("a page of the dashboard can not be read", exc_info=True)
            return {**shared, "errors": [unreadable_text(error)]}


def read_section(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Read what a section of a page shows; ``{"error": text}`` if it can not be read."""
    try:
        return read()
    except Exception as error:  # the broker's, or the database's
        logger.warning("a section of the dashboard can not be read", exc_info=True)
        return {"error": unreadable_text(error)}


def unreadable_text(error: BaseException) -> str:
    """Say that something can not be read, and why."""
    return _("This can not be read: %(error)s") % {"error": error_summary(error)}


def login_address() -> str:
    """Return the address of the login: that of the admin, or else ``settings.LOGIN_URL``."""
    try:
        return reverse("admin:login")
    except NoReverseMatch:
        return settings.LOGIN_URL


def content_tag(content: bytes) -> str:
    """Make the ETag of a page from what it shows."""
    shown = CHANGING_PARTS.sub(b"", content)
    return f'"{hashlib.sha256(shown).hexdigest()[:32]}"'
