"""Who has cancelled something, when and why: the mark beside a task, and the notice of a queue."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

from django_q.signing import BadSignature
from django_q.task_state.signed_text import CANCELLED, NOTICE, read_signed_text, sign_text
from django_q.text.printable import printable
from django_q.text.storable import storable_key

#: Characters of who has given an order, and of why, at most.
MAX_GIVER_LENGTH, MAX_REASON_LENGTH = 100, 200

#: Keys of notices: how those for a task or a group begin, and the one for a whole queue.
TASK_KEY_PREFIX, GROUP_KEY_PREFIX, QUEUE_KEY = "task:", "group:", "queue"
#: How the key of a notice begins by which a cluster is to stop.
CLUSTER_KEY_PREFIX = "cluster:"


def task_key(task_id: str) -> str:
    """Return the key of the notice for a task."""
    return f"{TASK_KEY_PREFIX}{storable_key(task_id)}"


def group_key(group: str) -> str:
    """Return the key of the notice for the tasks of a group."""
    return f"{GROUP_KEY_PREFIX}{storable_key(group)}"


def cluster_key(cluster_id: object) -> str:
    """Return the key of the notice by which a cluster is to stop."""
    return f"{CLUSTER_KEY_PREFIX}{cluster_id}"


def sign_cancellation(task_id: str, by: str, at: float, reason: str = "") -> str:
    """Sign the mark of a task that is cancelled; ``at`` is in seconds since the epoch."""
    return sign_text(CANCELLED, task_id, order_value(by, at, reason))


def read_cancellation(task_id: str, text: str) -> str:
    """Read the mark of a task as text for people. Raises ``BadSignature`` for anything else."""
    return order_text(read_signed_text(CANCELLED, task_id, text))


def sign_notice(list_key: str, key: str, by: str, at: float, reason: str = "") -> str:
    """Sign the notice of a queue under a key."""
    return sign_text(NOTICE, list_key, {"key": key, **order_value(by, at, reason)})


def read_notice(list_key: str, key: str, text: str) -> str:
    """Read a notice as text for people. Raises ``BadSignature`` if it is not that of this key."""
    value = read_signed_text(NOTICE, list_key, text)
    if not isinstance(value, dict) or value.get("key") != key:
        raise BadSignature(f"The notice {key!r:.200} was signed for another one.")
    return order_text(value)


def order_value(by: str, at: float, reason: str) -> dict[str, Any]:
    """Return who, when and why as a value that is signed."""
    return {"by": by[:MAX_GIVER_LENGTH], "at": at, "reason": reason[:MAX_REASON_LENGTH]}


def order_text(value: Any) -> str:
    """Describe an order, as in "cancelled by anna at 2026-01-02 03:04:05 UTC: no longer needed"."""
    value = value if isinstance(value, dict) else {}
    by, reason = printable(str(value.get("by") or "")), printable(str(value.get("reason") or ""))
    return "".join(
        (
            "cancelled",
            f" by {by}" if by else "",
            moment_text(value.get("at")),
            f": {reason}" if reason else "",
        )
    )


def moment_text(at: Any) -> str:
    """Write a time in seconds since the epoch; nothing for what is no time."""
    if not isinstance(at, (int, float)) or not math.isfinite(at):
        return ""
    try:
        return f" at {datetime.fromtimestamp(at, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return ""
