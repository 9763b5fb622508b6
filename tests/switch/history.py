"""What the shop has been through under a predecessor when the package is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.switch.shops import Console, Shop
from tests.waiting import wait_until

#: Types of schedules, in the predecessors' letters, with what each needs.
TYPES = {"O": {}, "I": {"minutes": 5}, "H": {}, "D": {}, "W": {}, "M": {}, "Q": {}, "Y": {}}
TYPES["C"] = {"cron": "30 9 * * 1-5"}
#: Those that django-q2 has added.
TYPES_OF_DJANGO_Q2 = {"BW": {}, "BM": {}}


@dataclass
class History:
    """A shop with a past: ids and groups by what is special about them."""

    shop: Shop
    old: Console
    #: The function that runs what is due.
    scheduler: str
    is_orm: bool
    ids: dict[str, str] = field(default_factory=dict)
    #: Rows of Schedule by name, as they were left.
    schedules: dict[str, dict] = field(default_factory=dict)
    new: Console = None  # of the package that is there afterwards
    cluster: Any = None

    def send(self, what: str, func: str, *args: Any, **options: Any) -> None:
        """Enqueue a task and note its id."""
        self.ids[what] = self.old.ask("async_task", f"shop.tasks.{func}", *args, **options)

    def plan(self, name: str, kind: str, next_run: datetime, **options: Any) -> None:
        """Make a schedule whose task has the schedule's name as its result's first part."""
        needed = {**TYPES, **TYPES_OF_DJANGO_Q2}[kind]
        options = {"name": name, "schedule_type": kind, **needed, **options}
        row = self.old.ask("schedule", "shop.tasks.echo", name, x=[1, 2], **options)
        # Afterwards, as a cron schedule finds a time of its own.
        self.old.ask("shop.calls.change", "Schedule", row["id"], next_run=next_run)

    @property
    def types(self) -> list[str]:
        """Types of schedules that the predecessor knows."""
        is_django_q2 = self.scheduler == "django_q.scheduler.scheduler"
        return [*TYPES, *(TYPES_OF_DJANGO_Q2 if is_django_q2 else ())]


def live(history: History, python: Path) -> None:
    """Go through it: work that is done, then work that is left."""
    old, shop = history.old, history.shop
    old.ask("shop.calls.migrate")
    hidden = begin_iterable(history)
    history.plan("morning", "D", now() - timedelta(minutes=1))
    # By hand, as a cluster of theirs looks at schedules every half minute.
    old.ask(history.scheduler)
    send_what_is_done(history)
    cluster = shop.cluster(python)
    wait_until(lambda: is_done(history), interval=0.1)
    cluster.stop()
    if history.is_orm:
        history.send("in another queue", "echo", "what is in the other queue")
        old.ask("shop.calls.move_last", "another")
        take_one(history)
    old.ask("shop.calls.bring_back", hidden)
    send_what_is_left(history)
    plan_what_comes(history)
    history.schedules = {row["name"]: row for row in old.rows("Schedule")}


def now() -> datetime:
    """Tell the time."""
    return datetime.now(timezone.utc)


def begin_iterable(history: History) -> list:
    """Enqueue an iterable, and hide the second half of it."""
    items = [(1, 1), (2, 2), (3, 3), (4, 4)]
    history.ids["half iterable"] = history.old.ask("async_iter", "shop.tasks.add", items)
    return history.old.ask("shop.calls.hide", 2)


def send_what_is_done(history: History) -> None:
    """Enqueue what the predecessor's cluster will still do."""
    for number in (1, 2, 3):
        history.send(f"sum {number}", "add", number, second=10, group="sums")
    history.send("refused", "refuse", group="sums")
    history.send("broken", "until_repaired", "scales")
    history.send("named", "echo", {"a": [1, None]}, task_name="by a name", hook="shop.tasks.ring")
    history.send("cached", "add", 20, 22, cached=600)
    for number in (1, 2):
        history.send(f"cached {number}", "add", number, cached=600, group="cached-sums")
    history.ids["chain"] = history.old.ask("async_chain", links(3))
    history.ids["iterable"] = history.old.ask("async_iter", "shop.tasks.add", [(1, 1), (2, 2)])


def links(count: int) -> list:
    """Make the links of a chain."""
    return [("shop.tasks.add", (number,), {"second": 100}) for number in range(count)]


def is_done(history: History) -> bool:
    """Whether the predecessor's cluster has done all it was given, in its own words."""
    ask, ids = history.old.ask, history.ids
    alone = ("sum 1", "sum 2", "sum 3", "refused", "broken", "named", "iterable")
    return (
        all(ask("fetch", ids[name]) for name in alone)
        and ask("count_group", ids["chain"]) == 3
        and ask("count_group", "morning") == 1
        and ask("count_group", ids["half iterable"], cached=True) == 2
        and ask("count_group", "cached-sums", cached=True) == 2
    )


def take_one(history: History) -> None:
    """Enqueue a task that a process then takes and never finishes."""
    history.send("taken", "sell", 1)
    # What was put in a moment ago may not be due for it yet, as the clock of a machine ticks.
    wait_until(lambda: history.old.ask("shop.calls.take"))


def send_what_is_left(history: History) -> None:
    """Enqueue what the predecessor will not do any more."""
    history.send("waiting", "add", 1, 2, group="shelf")
    history.send("waiting with hook", "add", 3, 4, hook="shop.tasks.ring", task_name="to be rung")
    history.send("waiting to fail", "sell_nothing", 2)
    history.send("waiting for the cache", "add", 5, 6, cached=600)
    history.send("waiting, not to be saved", "sell", 3, save=False)
    history.send("waiting too long", "sleep_for", 9, timeout=1)
    history.ids["waiting chain"] = history.old.ask("async_chain", links(3))
    items = [(1, 1), (2, 2), (3, 3)]
    history.ids["waiting iterable"] = history.old.ask("async_iter", "shop.tasks.add", items)


def plan_what_comes(history: History) -> None:
    """Make schedules of every type: that are due, and that are not."""
    for kind in history.types:
        history.plan(f"due {kind}", kind, now() - timedelta(minutes=2))
        history.plan(f"later {kind}", kind, now() + timedelta(days=2), hook="shop.tasks.ring")
    history.plan("due twice more", "H", now() - timedelta(minutes=2), repeats=2)
    history.plan("due once, kept", "O", now() - timedelta(minutes=2), repeats=1)
