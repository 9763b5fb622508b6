"""Arguments written as text: the ``args`` and ``kwargs`` of a schedule. Nothing is evaluated."""

from __future__ import annotations

import ast
import keyword
import re
from typing import Any

from django_q.text.error_text import short_repr

#: Characters of a text that is read at most.
MAX_LITERAL_LENGTH = 64 * 1024
#: Brackets inside brackets at most, and characters between two commas or brackets at most, where
#: each text, name and number counts as one: a deeper recursion of Python's parser can end the
#: process.
MAX_BRACKET_DEPTH, MAX_ELEMENT_LENGTH = 100, 40
#: Parts of a text: string literals with their prefix, comments, line ends, other white space.
TOKEN_PATTERN = re.compile(
    r"""(?P<prefix>\w{0,3})(?P<text>'''(?:\\.|[^\\])*?'''|"{3}(?:\\.|[^\\])*?"{3}"""
    r"""|'(?:\\.|[^'\\\r\n])*'|"(?:\\.|[^"\\\r\n])*")"""
    r"""|(?P<comment>\#[^\r\n]*)|(?P<space>(?:\\?[\r\n]|[^\S\r\n])+)""",
    re.DOTALL,
)
STRING_PREFIXES = ("", "b", "r", "u", "br", "rb")


def parse_args(text: str | None) -> tuple:
    """Read positional arguments: ``1, 'two'``, or a single value.

    Raises ValueError when the text is anything but literals.
    """
    text = joined_lines(text, "args")
    if not text:
        return ()
    value = parse_literal(text, "args")
    return value if isinstance(value, tuple) else (value,)


def parse_kwargs(text: str | None) -> dict[str, Any]:
    """Read keyword arguments: ``{'a': 1}``, or ``a=1, b='two'``.

    Raises ValueError when the text is anything but literals.
    """
    text = joined_lines(text, "kwargs")
    if not text:
        return {}
    if text.startswith("{"):
        value = parse_literal(text, "kwargs")
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        got = short_repr(text)
        raise ValueError(f"kwargs must be a dictionary whose keys are strings, got {got}.")
    return parse_keywords(text)


def parse_keywords(text: str) -> dict[str, Any]:
    """Read ``a=1, b='two'``, as it stands between the parentheses of a call."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise literal_error(text, "kwargs", "a=1, b='two'") from error
    named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    if not named or call.args or not all(k.arg for k in call.keywords):
        raise literal_error(text, "kwargs", "a=1, b='two'")
    return {k.arg: parse_literal(k.value, "kwargs", text) for k in call.keywords}


def parse_literal(source: str | ast.expr, what: str, text: str | None = None) -> Any:
    """Read one Python literal, or raise ValueError that shows the text it came from."""
    try:
        return ast.literal_eval(source)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise literal_error(text or source, what, "1, 'two', [3, 4.5], None") from error


def literal_error(text: Any, what: str, example: str) -> ValueError:
    """Make the error that says what was expected, and shows the text."""
    return ValueError(f"{what} must be Python literals such as {example}; got {short_repr(text)}.")


def joined_lines(text: str | None, what: str) -> str:
    """Join the lines of a text that is about to be parsed, without comments.

    Raises ValueError where it is longer, or nested deeper, than Python's parser can safely read.
    """
    text = (text or "").strip()
    if len(text) > MAX_LITERAL_LENGTH:
        raise ValueError(
            f"{what} must have {MAX_LITERAL_LENGTH} characters at most; "
            f"got {len(text)}: {short_repr(text)}."
        )
    joined, bare = [], []  # as it is parsed; the same without string literals
    end = 0
    for part in TOKEN_PATTERN.finditer(text):
        if part["text"] and part["prefix"].lower() not in STRING_PREFIXES:
            raise literal_error(text, what, "1, 'two', [3, 4.5], None")
        between = text[end : part.start()]
        joined += between, part[0] if part["text"] else " "
        bare += between, "" if part["text"] else " "
        end = part.end()
    check_depth("".join((*bare, text[end:])), what, text)
    return "".join((*joined, text[end:])).strip()


def check_depth(bare: str, what: str, text: str) -> None:
    """Raise ValueError where a text, given without its string literals, is nested too deeply."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[({})\]]", bare):
        depth += 1 if bracket in "[({" else -1
        deepest = max(deepest, depth)
    flat = re.sub(r"\w+", "w", re.sub(r"\s+", " ", bare))
    widest = max(map(len, re.split(r"[\[({})\],:=]", flat)))
    calls = len(re.findall(r"[\])}w] ?[\[({]", flat)) - flat.count("w()")
    if deepest > MAX_BRACKET_DEPTH or widest > MAX_ELEMENT_LENGTH or calls > MAX_BRACKET_DEPTH:
        raise literal_error(
            text, what, "1, 'two', [3, 4.5], None, without a hundred brackets in another"
        )


def is_name(text: Any) -> bool:
    """Return True if the text can be the name of an argument of a function."""
    return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)
