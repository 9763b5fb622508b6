"""The errors that django_q raises, and what it suppresses of those that others raise."""

from contextvars import ContextVar

#: While a task runs inline: each Ctrl-C of the user, raised again when the task is completed.
inline_interrupts: ContextVar[list[BaseException] | None] = ContextVar(
    "django_q_interruptions", default=None
)


def contain_error(error: BaseException) -> None:
    """Decide in a handler of ``BaseException`` that an error of foreign code is suppressed.

    Raises it again if it is not that code's own: the time limit of the task that runs. A Ctrl-C
    while a task runs inline is kept, to be raised in the caller.
    """
    if isinstance(error, TimeoutException) and error.ends_task:
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


class TimeoutException(SystemExit):
    """Raised inside a task that runs longer than its time limit.

    A ``SystemExit``, so that a task's own ``except Exception`` does not swallow it.
    """

    #: True for the limit of the whole task, which the worker sets; False for that of a block.
    ends_task = False
