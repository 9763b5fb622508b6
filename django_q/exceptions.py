"""The errors that django_q raises, and what it suppresses of those that others raise."""

from contextvars import ContextVar
from typing import Any

#: While a task runs inline: each Ctrl-C of the user, raised again when the task is completed.
inline_interrupts: ContextVar[list[BaseException] | None] = ContextVar(
    "django_q_interruptions", default=None
)


def contain_error(error: BaseException) -> None:
    """Decide in a handler of ``BaseException`` that an error of foreign code is suppressed.

    Raises it again if it is not that code's own: what ends the task that runs, such as its time
    limit. A Ctrl-C while a task runs inline is kept, to be raised in the caller.
    """
    if isinstance(error, TaskInterruption) and error.ends_task:
        raise error
    kept = inline_interrupts.get()
    if kept is not None and isinstance(error, KeyboardInterrupt):
        kept.append(error)


class DjangoQError(Exception):
    """Raised when django_q can not do what it was asked to; the base of all its errors."""


class PackageError(DjangoQError, ValueError):
    """Raised when a call can not be made into a package, or a package is invalid."""


class PackageTooLarge(PackageError):
    """Raised when a package is larger than ``Q_CLUSTER['max_package_size']``."""


class UnknownOption(PackageError, AttributeError):
    """Raised when an attribute of a call is set whose name is like an option's but unknown."""


class UnsupportedOption(PackageError):
    """Raised when a call has an option that the broker of its queue does not serve."""


class AlreadyEnqueued(DjangoQError):
    """Raised when a call with ``on_duplicate="reject"`` meets a task of the same key.

    Also the exception of a link of a chain, or of a call in a transaction, that was not enqueued as
    another task had its key.
    """

    def __init__(self, message: str, task_id: str = "") -> None:
        super().__init__(message, task_id)
        #: The id of that task.
        self.task_id = task_id

    def __str__(self) -> str:
        return str(self.args[0])


class Expired(DjangoQError):
    """The exception of a task that was not begun before its option ``expires`` ended."""


class WorkerDied(DjangoQError):
    """The exception of a task whose worker process died while it ran."""


class ItemFailed(DjangoQError):
    """The exception of an iterable of which at least one item failed."""


class FunctionRefused(PackageError):
    """Raised when ``Q_CLUSTER['functions']`` does not allow a function."""


class EnqueueRefused(DjangoQError):
    """Raised when a receiver of ``pre_enqueue`` raises for a task that a cluster enqueues."""


class BrokerUnavailable(DjangoQError):
    """Raised when a broker does not answer."""


class BrokerCommandRefused(BrokerUnavailable):
    """Raised when a broker's server does not permit what a cluster needs."""


class StoreUnavailable(DjangoQError):
    """Raised when a store accepts no writes for now, so that a write has to wait.

    Its cause is the store's error.
    """


class StoreCommandRefused(StoreUnavailable):
    """Raised when a broker's server refuses a command, which lasts until a setting is changed."""


class StaleDelivery(DjangoQError):
    """Raised when a receipt is used after its payload was delivered again."""


class NoCurrentTask(DjangoQError):
    """Raised when ``current_task`` is asked for something where no task runs."""


class UnsupportedOrder(DjangoQError):
    """Raised when a broker does not know an order, as to pause its queue."""


class TooManyNotices(DjangoQError):
    """Raised when so many orders for a queue are not carried out yet that it takes no more."""


class SoftTimeout(DjangoQError):
    """Raised once inside a task that has run for its ``soft_timeout``; it may catch that."""


class Retry(DjangoQError):
    """To be raised by a task that is to be run again.

    ``after`` is a number of seconds, a timedelta, or a datetime; without it the task's own
    ``retry_delay`` counts. An end like any other: the options ``retries`` and ``max_attempts`` say
    how often; without ``retries`` that is ten times.
    """

    def __init__(self, message: str = "", *, after: Any = None) -> None:
        super().__init__(message)
        self.after = after


class TaskInterruption(SystemExit):
    """What ends a task from outside; the base of these exceptions.

    A ``SystemExit``, so that a task's own ``except Exception`` does not swallow it.
    """

    #: Whether it ends the whole task that runs, and not only a block of it.
    ends_task = False


class TimeoutException(TaskInterruption):
    """Raised inside a task that runs longer than its time limit.

    ``ends_task`` is True for the limit of the whole task, which the worker sets; False for that of
    a block.
    """


class TaskCancelled(TaskInterruption):
    """Raised inside a task that somebody has cancelled; also the exception of such a failure."""

    ends_task = True


class TaskStopped(TaskInterruption):
    """Raised by ``current_task.iterate`` when the cluster stops: the task goes on elsewhere."""

    ends_task = True
