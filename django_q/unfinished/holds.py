"""What holds a queue back, in words: the same on pages and in terminals."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from django_q.brokers.contract.orders import QueueControl

#: The characters of a cluster's id that are shown, as qmonitor shows them.
SHOWN_ID_LENGTH = 8


def hold_texts(control: QueueControl, leased: int) -> Iterator[str]:
    """Yield what holds a queue back of which so many tasks are leased."""
    if control.is_paused:
        yield _("paused")
    for cluster_id in sorted(control.paused_clusters):
        yield _("paused for cluster %(id)s") % {"id": cluster_id[-SHOWN_ID_LENGTH:]}
    if control.limit is not None:
        text = _("at its limit of %(limit)d") if leased >= control.limit else _("limit %(limit)d")
        yield text % {"limit": control.limit}


def is_held(control: QueueControl, leased: int) -> bool:
    """Return True if no cluster takes from a queue, as it is paused or at its limit."""
    return control.is_paused or (control.limit is not None and leased >= control.limit)
