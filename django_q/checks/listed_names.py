"""Check the settings that are lists of names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec

from django.core.checks import Error, Warning

from django_q.caller_context.tracing import OPENTELEMETRY
from django_q.caller_context.variables import FRAMEWORK_NAMES, variable
from django_q.checks.messages import Messages
from django_q.checks.redaction import is_path
from django_q.wire.allowed_functions import PACKAGE_WILDCARD
from django_q.wire.callables import resolve

#: A dotted name, or one with ``.*`` for all names below it.
FUNCTION_NAME_PATTERN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(\.\*)?")


def check_functions(option: str, names: Iterable) -> Messages:
    """Check that each entry is a dotted name or ``package.*``, and can be imported."""
    for name in names:
        if not isinstance(name, str) or not FUNCTION_NAME_PATTERN.fullmatch(name):
            text = f"{option} must list dotted names such as 'shop.tasks.send', or 'shop.tasks.*'"
            yield Error(f"{text}; got a {type(name).__name__} that is not one.", id="django_q.E004")
            continue
        try:
            resolve(name.removesuffix(PACKAGE_WILDCARD))
        except Exception as error:  # the module may raise anything
            text = f"{option}: {name!r} can not be found here: {type(error).__name__}."
            hint = "This entry allows no function. Is it spelt as it is imported?"
            yield Warning(text, hint=hint, id="django_q.W011")


def check_context(option: str, names: Iterable) -> Messages:
    """Check that each entry is a name of ``FRAMEWORK_NAMES``, or the path of a context variable."""
    for name in names:
        if not isinstance(name, str) or not (name in FRAMEWORK_NAMES or is_path(name)):
            text = f"{option} must list 'language', 'timezone', 'opentelemetry', and paths of"
            got = f"variables such as 'shop.tenants.current'; got a {type(name).__name__}"
            yield Error(f"{text} context {got}.", id="django_q.E004")
        elif name == OPENTELEMETRY and find_spec(OPENTELEMETRY) is None:
            text = f"{option}: {name!r} needs the package opentelemetry-api, which is missing."
            hint = "pip install 'django-q[opentelemetry]'"
            yield Warning(text, hint=hint, id="django_q.W007")
        elif name not in FRAMEWORK_NAMES:
            yield from check_context_variable(option, name)


def check_context_variable(option: str, name: str) -> Messages:
    """Check that a path is that of a context variable."""
    try:
        variable(name)
    except Exception as error:  # the module may raise anything
        text = f"{option}: {name!r} is no context variable here: {type(error).__name__}."
        hint = "It does not travel. It must be a contextvars.ContextVar, at the top of a module."
        yield Warning(text, hint=hint, id="django_q.W013")


def check_names(option: str, names: Iterable) -> Messages:
    """Check that each entry is a text."""
    for name in names:
        if not isinstance(name, str):
            text = f"{option} must list names such as 'card_number'"
            yield Error(f"{text}; got a {type(name).__name__}.", id="django_q.E004")
