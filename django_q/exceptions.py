"""What django_q raises, and what it makes of what others raise."""

from contextvars import ContextVar

from django_q.text.printable import MAX_TEXT_CHARACTERS, PrintableText, printable
from django_q.text.representation import is_too_large, represent

#: Stands for what an error says that would be hours long.
TOO_LARGE_TEXT = "it is too large to be shown"

#: While a task runs inline: the Ctrl-C of the user, which is raised again when it is completed.
inline_interrupts: ContextVar[list[BaseException] | None] = ContextVar(
    "django_q_interruptions", default=None
)


def contain_error(error: BaseException) -> None:
    """Have what foreign code has raised go no further; in a handler of ``BaseException``.

    Raises it again where it is not that code's own: the time limit of the task that runs. A
    Ctrl-C, where a task runs inline, is kept for its caller.
    """
    if isinstance(error, TimeoutException) and error.ends_task:
        raise error
    kept = inline_interrupts.get()
    if kept is not None and isinstance(error, KeyboardInterrupt):
        kept.append(error)


def error_summary(error: BaseException) -> str:
    """Say in a line what an error is: the ``repr`` of some drivers' errors does not."""
    return PrintableText(
        printable(f"{type(error).__name__}: {safe_str(error)}", MAX_TEXT_CHARACTERS)
    )


def safe_repr(value: object) -> str:
    """Represent any value, even one whose ``repr`` raises, in bounded time and size."""
    return represent(value)


def safe_str(value: object) -> str:
    """Say any value in text, even one whose ``str`` raises, or would not end."""
    try:
        return TOO_LARGE_TEXT if is_too_large(value) else str.__str__(str(value))
    except BaseException as error:
        contain_error(error)
        return class_placeholder(value)


def class_placeholder(value: object) -> str:
    """Stand for a value that can not be represented."""
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


def short_repr(value: object, longest: int = 100) -> str:
    """Quote a value in an error: its ``repr``, cut to a part of a line."""
    # Only the beginning of a text is looked at, as it may have megabytes.
    text = safe_repr(value[: longest + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def short_error_text(error: BaseException, longest: int = 500) -> str:
    """Say what an error says, as a column of any database takes it: without megabytes or NUL."""
    text = safe_str(error)
    if len(text) > longest:
        text = f"{text[: longest - 3]}..."
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


class DjangoQError(Exception):
    """Raised when django_q can not do what it was asked to; the base of all its errors."""


class PackageError(DjangoQError, ValueError):
    """Raised when a call can not be made into a package, or a package is not one."""


class PackageTooLarge(PackageError):
    """Raised when a package is larger than ``Q_CLUSTER['max_package_size']``."""


class UnknownOption(PackageError, AttributeError):
    """Raised when an attribute of a call is set that is like an option and is none."""


class FunctionRefused(PackageError):
    """Raised when a function may not run by ``Q_CLUSTER['functions']``."""


class EnqueueRefused(DjangoQError):
    """Raised when a receiver of ``pre_enqueue`` fails over a task that a cluster enqueues."""


class BrokerUnavailable(DjangoQError):
    """Raised when a broker does not answer."""


class BrokerCommandRefused(BrokerUnavailable):
    """Raised when a broker's server does not permit what a cluster needs."""


class StoreUnavailable(DjangoQError):
    """Raised when a store takes nothing for now, so that what was to be written to it waits.

    Its cause is what the store has said.
    """


class StoreCommandRefused(StoreUnavailable):
    """Raised when a broker's server refuses a command: it lasts until somebody mends something."""


class StaleDelivery(DjangoQError):
    """Raised when a delivery is used after its lease has passed to another holder."""


class TimeoutException(SystemExit):
    """Raised inside a task that runs longer than its time limit.

    A ``SystemExit``, so that a task's own ``except Exception`` does not swallow it.
    """

    #: Whether it is the worker's, of the task that runs now, and not that of some block of code.
    ends_task = False
