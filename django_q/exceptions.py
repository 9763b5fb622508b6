"""Define the errors of django_q, and write errors of foreign code as text."""

from contextvars import ContextVar

from django_q.text.printable import MAX_TEXT_CHARACTERS, PrintableText, printable
from django_q.text.representation import is_too_large, represent

#: Replaces the text of an error that would take hours to write.
TOO_LARGE_TEXT = "it is too large to be shown"

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


def error_summary(error: BaseException) -> str:
    """Write class and text of an error in one line, which some drivers' ``repr`` does not do."""
    return PrintableText(
        printable(f"{type(error).__name__}: {safe_str(error)}", MAX_TEXT_CHARACTERS)
    )


def safe_repr(value: object) -> str:
    """Represent any value in bounded time and size, even one whose ``repr`` raises."""
    return represent(value)


def safe_str(value: object) -> str:
    """Convert any value to text, even one whose ``str`` raises or would not end."""
    try:
        return TOO_LARGE_TEXT if is_too_large(value) else str.__str__(str(value))
    except BaseException as error:
        contain_error(error)
        return class_placeholder(value)


def class_placeholder(value: object) -> str:
    """Name the class of a value that can not be represented."""
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def short_repr(value: object, longest: int = 100) -> str:
    """Represent a value for an error in at most ``longest`` characters."""
    # Only the beginning of a text is represented, as it may have megabytes.
    text = safe_repr(value[: longest + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def short_error_text(error: BaseException, longest: int = 500) -> str:
    """Write the text of an error for a column of any database: cut, and without NUL."""
    text = safe_str(error)
    if len(text) > longest:
        text = f"{text[: longest - 3]}..."
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


class DjangoQError(Exception):
    """Raised when django_q can not do what it was asked to; the base of all its errors."""


class PackageError(DjangoQError, ValueError):
    """Raised when a call can not be made into a package, or a package is invalid."""


class PackageTooLarge(PackageError):
    """Raised when a package is larger than ``Q_CLUSTER['max_package_size']``."""


class UnknownOption(PackageError, AttributeError):
    """Raised when an attribute of a call is set whose name is like an option's but unknown."""


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
