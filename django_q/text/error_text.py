"""Write errors and other values of foreign code as text: bounded, whatever their classes do."""

from django_q.exceptions import contain_error
from django_q.text.printable import MAX_TEXT_CHARACTERS, PrintableText, printable
from django_q.text.representation import class_text, is_too_large, represent

#: Replaces the text of an error that would take hours to write.
TOO_LARGE_TEXT = "it is too large to be shown"


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
        return class_text(value)


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
