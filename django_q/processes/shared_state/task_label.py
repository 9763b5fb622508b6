"""The label of a task in the slot of its worker: what a heartbeat tells of it."""

from __future__ import annotations

from typing import Any

from django_q.text.printable import printable
from django_q.wire.package import TaskPackage, chain_start, is_iterable_item

#: Separates the fields. No printable text has it.
LABEL_SEPARATOR = "\t"
LABEL_FIELDS = 9


def task_label(package: TaskPackage, name: str, func: str) -> str:
    """Write the label of a task that runs. The long texts are last: a label may be cut."""
    fields = (
        printable(package["id"]),
        str(package.get("attempt", 1)),
        str(seconds_since_epoch(package.get("started"))),
        str(chain_start(package) or 0.0),
        str(int(is_iterable_item(package))),
        printable(package.get("group") or ""),
        printable(package.get("iter_group") or ""),
        name,
        func,
    )
    return LABEL_SEPARATOR.join(fields)


def read_label(text: str) -> dict[str, Any]:
    """Read a label, of which the end may be cut off."""
    padded = text.split(LABEL_SEPARATOR) + [""] * LABEL_FIELDS
    task_id, attempt, since, chain_started, is_item, *texts = padded[:LABEL_FIELDS]
    group, iter_group, name, func = texts
    return {
        "id": task_id,
        "name": name,
        "func": func,
        "group": group,
        "attempt": int(attempt or 1),
        "since": float(since or 0),
        "chain_started": float(chain_started or 0),
        "is_item": is_item == "1",
        "iter_group": iter_group,
    }


def seconds_since_epoch(moment: Any) -> float:
    """Convert a time; 0 for what is none."""
    try:
        return moment.timestamp()
    except Exception:  # out of range, or of any class: the caller interrupts a task
        return 0.0
