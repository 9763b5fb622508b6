"""Orders for all failures of a kind: resubmit them, forget them, some at a time."""

from __future__ import annotations

from collections import Counter

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_q.calls.resubmission import Resubmission, resubmit_kind
from django_q.dashboard.failures.kinds import failures_of
from django_q.dashboard.orders import Order, log_order, tell
from django_q.models import Failure, Task

#: Failures that one order resubmits, or deletes, at most: so no request takes long.
MAX_RESUBMITTED, MAX_FORGOTTEN = 200, 1000
#: Failures that are counted of those that are left.
MAX_COUNTED_LEFT = 10_000
#: Reasons of refusals that are told.
MAX_TOLD_REFUSALS = 5


def resubmit_failures(request: HttpRequest) -> None:
    """Run failures of a kind again, the oldest first, and say how many are left."""
    fingerprint = request.POST.get("kind", "")
    found = resubmit_kind(fingerprint, MAX_RESUBMITTED)
    done = len(found.resubmitted)
    log_order(request, fingerprint, f"Resubmitted {done} failures of this kind.", model=Failure)
    tell_resubmission(request, found)
    if found.has_more:
        tell_left(request, fingerprint)


def tell_resubmission(request: HttpRequest, found: Resubmission) -> None:
    """Say how many failures of a kind are in the queue again, and why others are not."""
    if done := len(found.resubmitted):
        text = ngettext("%d task was resubmitted.", "%d tasks were resubmitted.", done)
        tell(request, messages.SUCCESS, text % done)
    for reason, number in Counter(found.refused.values()).most_common(MAX_TOLD_REFUSALS):
        text = ngettext(
            "%(number)d task was not resubmitted: %(reason)s",
            "%(number)d tasks were not resubmitted: %(reason)s",
            number,
        )
        tell(request, messages.ERROR, text % {"number": number, "reason": reason})
    if not done and not found.refused:
        tell(request, messages.WARNING, _("There is no failure of this kind to be resubmitted."))


def forget_failures(request: HttpRequest) -> None:
    """Delete failures of a kind, the oldest first, and say how many are left."""
    fingerprint = request.POST.get("kind", "")
    oldest = failures_of(fingerprint).order_by("stopped").values_list("pk", flat=True)
    deleted, _details = Task.objects.filter(pk__in=list(oldest[:MAX_FORGOTTEN])).delete()
    log_order(request, fingerprint, f"Deleted {deleted} failures of this kind.", model=Failure)
    text = ngettext("%d failure was deleted.", "%d failures were deleted.", deleted)
    tell(request, messages.SUCCESS, text % deleted)
    tell_left(request, fingerprint)


def tell_left(request: HttpRequest, fingerprint: str) -> None:
    """Say how many failures of a kind are left, if any are."""
    left = failures_of(fingerprint).order_by().values("pk")[:MAX_COUNTED_LEFT].count()
    if left:
        text = ngettext("%s is left. Repeat the action.", "%s are left. Repeat the action.", left)
        number = f"{left}+" if left == MAX_COUNTED_LEFT else str(left)
        tell(request, messages.WARNING, text % number)


#: By the value of ``action``.
KIND_ORDERS: dict[str, Order] = {
    "resubmit_kind": ("django_q.change_failure", resubmit_failures),
    "forget_kind": ("django_q.delete_failure", forget_failures),
}
