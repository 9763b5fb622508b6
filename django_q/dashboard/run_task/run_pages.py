"""Run a function as a task by a form, where ``Q_CLUSTER["functions"]`` lists it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_q.calls.composition import dispatch
from django_q.dashboard.access import RUN_FUNCTIONS
from django_q.dashboard.orders import log_order, tell
from django_q.dashboard.page import Page
from django_q.dashboard.run_task.fields import arguments_from, form_for
from django_q.dashboard.run_task.functions import runnable_names
from django_q.foreign_code.secret_arguments import secret_arguments_of
from django_q.models import Dashboard
from django_q.text.error_text import short_error_text
from django_q.wire.allowed_functions import permitted
from django_q.wire.options import normalize_option
from django_q.wire.package import new_package


class FunctionsPage(Page):
    """The functions that can be run from here."""

    template_name = "django_q/dashboard/functions.html"
    title = gettext_lazy("Run a task")
    section = "functions"
    permissions = RUN_FUNCTIONS

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """List the functions."""
        return {"functions": runnable_names()}


class RunPage(Page):
    """The form of a function; sending it enqueues a task."""

    template_name = "django_q/dashboard/run.html"
    title = gettext_lazy("Run a task")
    section = "functions"
    permissions = RUN_FUNCTIONS

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Make the form. Raises ``Http404`` for a function that is not listed."""
        name = listed(parts["function"])
        func = permitted(name, "The function")
        form = parts.get("form") or form_for(func, None, secret_arguments_of(name))
        text = (func.__doc__ or "").strip().partition("\n\n")[0]
        return {"title": name, "function": name, "form": form, "text": text}

    def post(self, request: HttpRequest, **parts: Any) -> HttpResponse:
        """Enqueue a task with the arguments of the form, and show the form anew."""
        name = listed(parts["function"])
        func = permitted(name, "The function")
        form = form_for(func, request.POST, secret_arguments_of(name))
        if form.is_valid():
            enqueue(request, name, *arguments_from(func, form))
            return super().post(request, **parts)
        return self.get(request, **parts, form=form)


def listed(name: str) -> str:
    """Return the name of a function. Raises ``Http404`` unless it may be run from here."""
    if name not in runnable_names():
        raise Http404
    return name


def enqueue(request: HttpRequest, name: str, args: tuple, kwargs: dict[str, Any]) -> None:
    """Enqueue a task, and say so; the log of the admin has no arguments, which may be secret."""
    try:
        package = new_package(name, args, kwargs, {})
        (task_id,) = dispatch([package], {"broker": normalize_option("broker", None)})
    except Exception as error:  # the broker's, or a refusal
        tell(request, messages.ERROR, short_error_text(error))
        return
    log_order(request, task_id, f"Enqueued {name}.", model=Dashboard, name=name)
    text = _("%(function)s was enqueued as task %(task)s.")
    tell(request, messages.SUCCESS, text % {"function": name, "task": task_id})
