"""Terms: what a broker has to know of a task, which it can not read from a signed payload."""

from __future__ import annotations

from typing import Any, NamedTuple

from django_q.brokers.contract.kept_state import KeptState

#: Priorities, as Django has them: higher ones come first, a task without one counts as 0.
MIN_PRIORITY, MAX_PRIORITY = -100, 100
#: Of so many takes one begins with the oldest task, whatever its priority: nothing starves.
OLDEST_FIRST_INTERVAL = 16
#: The options of a call for which a broker needs terms; ``Broker.serves`` names those it knows.
TERM_OPTIONS = frozenset({"priority", "run_after", "expires", "unique", "idempotency_key", "track"})
#: Options of a call that need a broker which keeps a state, and no terms.
STATE_OPTIONS = frozenset({"retries"})
#: All that ``Broker.serves`` may name.
BROKER_OPTIONS = TERM_OPTIONS | STATE_OPTIONS

#: States of an unfinished task: to be taken now, to be taken later, or taken by a cluster.
WAITING, DELAYED, LEASED = "waiting", "delayed", "leased"
TASK_STATES = (WAITING, DELAYED, LEASED)


class Terms(NamedTuple):
    """What a broker has to know of a task. All times are by the clock of the broker's server."""

    #: By which it can be found while it is unfinished: 1 to 32 characters.
    task_id: str
    #: From ``MIN_PRIORITY`` to ``MAX_PRIORITY``.
    priority: int = 0
    #: Seconds from now until it may be delivered.
    delay: float = 0
    #: When it may be delivered, in seconds since the epoch; None where ``delay`` says it.
    due_at: float | None = None
    #: Seconds from now, or since the epoch, after which it is not begun any more.
    expires_in: float | None = None
    expires_at: float | None = None
    #: Digest of 32 hexadecimal digits: no second task of this key while one is unfinished.
    unique: str = ""
    #: Seconds for which the key is taken after the end of the task.
    unique_for: float = 0
    #: Whether a task may wait behind one of the same key that is leased, to begin when that ends.
    is_successor: bool = False
    #: Digest of 32 hexadecimal digits, for which the id of the task is kept, finished or not.
    idempotency: str = ""
    #: Seconds for which it is kept, from now.
    idempotency_for: float = 0
    #: What it counts for in limits, and the key of a limit: not used yet.
    weight: int = 1
    lane: str = ""


class Enqueued(NamedTuple):
    """What became of a task with terms that was to be enqueued."""

    #: The id of the task that stands for the call.
    task_id: str
    #: False where another task, of the same key, was there before.
    is_new: bool = True
    #: Of that other task, where it is not leased: to be given to ``replace_task``.
    version: Any = None


class QueuedTask(NamedTuple):
    """An unfinished task in a broker's queue. Times are in seconds since the epoch."""

    payload: str | bytes
    #: One of ``TASK_STATES``.
    state: str
    #: Empty where the broker does not know it: a payload without terms carries its id.
    task_id: str = ""
    priority: int = 0
    #: How often it has been delivered.
    attempts: int = 0
    #: When it was enqueued; None where the broker does not know it.
    since: float | None = None
    #: When it may be delivered, or when its lease ends; None where it waits.
    due: float | None = None
    #: After which it is not begun any more; None for never.
    expires: float | None = None
    #: Its place, from which the next page of a list goes on.
    cursor: str = ""
    #: What is kept beside its payload; None where nothing is.
    kept: KeptState | None = None


class QueueCounts(NamedTuple):
    """How many tasks a queue has, by their state, and how long the oldest has waited."""

    waiting: int = 0
    delayed: int = 0
    leased: int = 0
    #: Seconds; None where nothing waits, or the broker does not know it.
    oldest: float | None = None
