"""The orders that can be given on the interactive monitor, and the questions asked before."""

from __future__ import annotations

import getpass
import socket
from collections import Counter

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_q.calls.resubmission import Resubmission, resubmit_kind
from django_q.dashboard.failures.kinds import Kind
from django_q.dashboard.task_search.listed_task import ListedTask
from django_q.orders.answers import answer_texts
from django_q.orders.cancelling import cancel
from django_q.orders.steering import queue
from django_q.terminal.interactive.state import Order
from django_q.text.printable import printable
from django_q.unfinished.queues import QueueState

#: Failures that one order resubmits at most, so that it takes a moment.
MAX_RESUBMITTED_PER_ORDER = 200


def person() -> str | None:
    """Name who gives orders; None where the system does not know it."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError, ImportError):  # a user without a name, as in a container
        return None


def cancel_order(run: ListedTask) -> Order:
    """Order to cancel a task that runs."""

    def give() -> str:
        answer = cancel(run.id, queue=run.queue or None, by=person())
        return answer_texts(Counter([answer]))[answer] % 1

    text = _("Cancel task %(name)s (%(function)s)?")
    return Order(text % {"name": printable(run.name), "function": printable(run.func)}, give)


def pause_order(state: QueueState) -> Order:
    """Order to pause a queue, or to end its pauses."""
    control, values = state.control, {"queue": printable(state.name)}

    def resume() -> str:
        chosen = queue(state.name)
        paused = [None, *sorted(chosen.control().paused_clusters)]
        if not sum([chosen.resume(cluster) for cluster in paused]):  # all of them
            return _("Queue %(queue)s was not paused.") % values
        return _("Queue %(queue)s is resumed.") % values

    def pause() -> str:
        queue(state.name).pause()
        return _("Queue %(queue)s is paused. What clusters have taken by now goes on.") % values

    if control.is_paused or control.paused_clusters:
        return Order(_("Resume queue %(queue)s?") % values, resume)
    return Order(_("Pause queue %(queue)s?") % values, pause)


def resubmit_order(kind: Kind) -> Order | None:
    """Order to run the failures of a kind again; None where they have no fingerprint."""
    if not kind.fingerprint:
        return None

    def give() -> str:
        return resubmission_text(resubmit_kind(kind.fingerprint, MAX_RESUBMITTED_PER_ORDER))

    text = _("Resubmit the failures of %(function)s (%(exception)s)?")
    names = {"function": printable(kind.func), "exception": printable(kind.exception)}
    return Order(text % names, give)


def resubmission_text(found: Resubmission) -> str:
    """Say how many failures of a kind are in the queue again, and why others are not."""
    texts = []
    if done := len(found.resubmitted):
        text = ngettext("%d task was resubmitted.", "%d tasks were resubmitted.", done)
        texts.append(text % done)
    for reason, number in Counter(found.refused.values()).most_common(1):
        text = ngettext(
            "%(number)d task was not resubmitted: %(reason)s",
            "%(number)d tasks were not resubmitted: %(reason)s",
            number,
        )
        texts.append(text % {"number": number, "reason": reason})
    if found.has_more:
        texts.append(_("There are more of this kind. Repeat the action."))
    return " ".join(texts) or _("There is no failure of this kind to be resubmitted.")
