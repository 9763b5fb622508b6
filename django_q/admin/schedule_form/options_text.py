"""The options of a schedule's tasks as a text of their own, beside its keyword arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_q.exceptions import PackageError
from django_q.models.schedule_fields.argument_text import is_name, parse_kwargs
from django_q.wire.option_types import closest_name_hint
from django_q.wire.options import normalize_options
from django_q.wire.package import KNOWN_OPTIONS, PACKAGE_OPTIONS, options_in
from django_q.wire.queue_options import check_queue_options


def split_options(kwargs: str | None) -> tuple[str, str]:
    """Split the text of keyword arguments into (that of the function's, that of the options).

    A text that can not be read is left as it is.
    """
    try:
        named = parse_kwargs(kwargs)
        options = dict(options_in(named.pop("q_options", None)))
    except (ValueError, TypeError, PackageError):
        return kwargs or "", ""
    if not options:
        return kwargs or "", ""
    _, found, rest = (kwargs or "").partition(options_prefix(options))
    return rest if found else keywords_text(named), keywords_text(options)


def join_options(kwargs: str, options: Mapping[str, Any]) -> str:
    """Add options to the text of keyword arguments, which can be read; see ``split_options``."""
    named = parse_kwargs(kwargs)
    merged = {**options_in(named.pop("q_options", None)), **options}
    if not merged:
        return kwargs
    if kwargs.lstrip().startswith("{") or "q_options" in parse_kwargs(kwargs):
        return keywords_text({**named, "q_options": merged})
    # In front, so that a comment at the end of the text stays one.
    return f"{options_prefix(merged)}{kwargs}"


def options_prefix(options: Mapping[str, Any]) -> str:
    """Write options in front of keyword arguments."""
    return f"q_options={dict(options)!r},\n"


def keywords_text(values: Mapping[str, Any]) -> str:
    """Write values as the keyword arguments of a call; as a dictionary if a name can be none."""
    if not all(map(is_name, values)):
        return repr(dict(values))
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def parse_options(text: str) -> dict[str, Any]:
    """Read options from a text such as ``retries=3``. Raises ValueError that says what is wrong."""
    options = parse_kwargs(text)
    for name in options:
        if name not in PACKAGE_OPTIONS:
            hint = closest_name_hint(name, PACKAGE_OPTIONS)
            what = "is not for schedules" if name in KNOWN_OPTIONS else "is unknown"
            raise PackageError(f"The option '{name}' {what}. {hint}".strip())
    check_queue_options(normalize_options(options))
    return options
