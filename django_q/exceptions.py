"""What django_q raises."""


def brief(error: BaseException) -> str:
    """Say in a line what an error is: the ``repr`` of some drivers' errors does not."""
    return f"{type(error).__name__}: {error}"


def safe_repr(value: object) -> str:
    """Represent any value, even one whose ``repr`` raises."""
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__module__}.{type(value).__qualname__}>"


def one_line(value: object, longest: int = 100) -> str:
    """Quote a value in an error: its ``repr``, cut to a part of a line."""
    # Only the beginning of a text is looked at, as it may have megabytes.
    text = safe_repr(value[: longest + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def in_short(error: BaseException, longest: int = 500) -> str:
    """Say what an error says, as a column of any database takes it: without megabytes or NUL."""
    try:
        text = str(error)
    except Exception:
        text = f"its text can not be made: {safe_repr(error)}"
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


class Refused(DjangoQError):
    """Raised when a receiver of ``pre_enqueue`` fails over a task that a cluster enqueues."""


class BrokerUnavailable(DjangoQError):
    """Raised when a broker does not answer."""


class BrokerRefuses(BrokerUnavailable):
    """Raised when a broker's server does not permit what a cluster needs."""


class StaleDelivery(DjangoQError):
    """Raised when a delivery is used after its lease has passed to another holder."""


class TimeoutException(SystemExit):
    """Raised inside a task that runs longer than its time limit.

    A ``SystemExit``, so that a task's own ``except Exception`` does not swallow it.
    """
