"""What a task belongs to, with links: its group, chain, iterable and schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from django_q.dashboard.access import VIEW_SCHEDULES, may
from django_q.dashboard.task_search.language import term_for
from django_q.dashboard.tasks.found_task import FoundTask
from django_q.models import Schedule, Task, pickle_preview
from django_q.models.task import clipped
from django_q.text.representation import represent
from django_q.wire.package import link_id

#: Links of a chain that are named.
MAX_NAMED_LINKS = 10


class Link(NamedTuple):
    """What a task belongs to: a title, a text, and an address, which may be empty."""

    title: str
    text: str
    address: str = ""


def links_of(found: FoundTask, user: Any, pages: str) -> Iterator[Link]:
    """Yield what a task belongs to, as far as that is known."""
    task, package = found.listed, found.package
    if task.func:
        yield Link(_("function"), task.func, searched(pages, "func", task.func))
    if task.group:
        yield Link(_("group"), task.group, searched(pages, "group", task.group))
    if task.kind:
        yield Link(_("fingerprint"), task.kind, searched(pages, "kind", task.kind))
    if not task.is_unfinished and Task.objects.filter(pk=link_id(task.id)).exists():
        yield Link(_("Next link of its chain"), *own_page(pages, link_id(task.id)))
    if chain := chain_text(package.get("chain")):
        yield Link(_("Then"), chain)
    if isinstance(package.get("iter_count"), int):
        yield Link(_("Iterable"), iterable_text(package), own_page(pages, task.group)[1])
    if may(user, VIEW_SCHEDULES):
        yield from schedule_links(found, pages)


def searched(pages: str, field: str, value: str) -> str:
    """Return the address of the list of tasks that have a value in a field."""
    return f"{reverse(f'{pages}tasks')}?{urlencode({'q': term_for(field, value)})}"


def own_page(pages: str, task_id: str) -> tuple[str, str]:
    """Return the id of a task, and the address of its page."""
    try:
        return task_id, reverse(f"{pages}task", kwargs={"task_id": task_id})
    except NoReverseMatch:
        return task_id, ""


def chain_text(chain: Any) -> str:
    """Name the functions that follow in a chain, of which a package has a preview."""
    if not isinstance(chain, Sequence) or isinstance(chain, str):
        return ""
    links = [each for each in chain[:MAX_NAMED_LINKS] if isinstance(each, (list, tuple)) and each]
    return " → ".join(pickle_preview.function_name(each[0]) for each in links)


def iterable_text(package: Any) -> str:
    """Tell which item of which iterable it is."""
    position = package.get("iter_position")
    number = position + 1 if isinstance(position, int) else "?"
    name = package.get("iter_name")
    text = f"{number}/{package['iter_count']}"
    return f"{represent(name, 100) if not isinstance(name, str) else name} {text}"


def schedule_links(found: FoundTask, pages: str) -> Iterator[Link]:
    """Yield the schedules whose last task it is, or whose name is its group."""
    task = found.listed
    # A database may refuse what can not be printed.
    is_name = task.group and task.group.isprintable()
    own = Q(task=task.id) | (Q(name=clipped(task.group, "group")) if is_name else Q())
    for schedule in Schedule.objects.filter(own).only("pk", "name", "func")[:2]:
        text = schedule.name or schedule.func
        yield Link(_("Schedule"), text, schedule_address(pages, schedule.pk))


def schedule_address(pages: str, key: int) -> str:
    """Return the address of a schedule's page; that of the schedules where it has none."""
    try:
        return reverse(f"{pages}schedule", args=[key])
    except NoReverseMatch:
        return reverse(f"{pages}schedules")
