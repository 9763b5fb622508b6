"""``python -m shop.console``: does in this process what another asks for, call by call.

Reads pickled ``(name, args, kwargs)`` and answers with pickled ``(is_well, value)``. A name without
a module is one of ``django_q.tasks``.
"""

from __future__ import annotations

import os
import pickle
import pydoc
import sys
import traceback
from typing import Any

import django
from django.db.models import Model, QuerySet
from django.utils.functional import Promise


def describe(value: Any) -> Any:
    """Make plain values of rows, so that who asked needs no Django."""
    if isinstance(value, Model):
        return {field.attname: getattr(value, field.attname) for field in value._meta.fields}
    if isinstance(value, (QuerySet, list, tuple, set)):
        kept = type(value) if isinstance(value, (tuple, set)) else list
        return kept(map(describe, value))
    if isinstance(value, dict):
        return {key: describe(each) for key, each in value.items()}
    return str(value) if isinstance(value, Promise) else value


def find(path: str) -> Any:
    """Find an object by its dotted path, inside a class too."""
    return pydoc.locate(path)


def answer(name: str, args: tuple, kwargs: dict) -> tuple[bool, Any]:
    """Call what is named."""
    path = name if "." in name else f"django_q.tasks.{name}"
    try:
        return True, describe(find(path)(*args, **kwargs))
    except Exception:
        return False, traceback.format_exc()


def main() -> None:
    """Answer until nobody asks any more."""
    # Whatever is printed goes where it does no harm.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    django.setup()
    while True:
        try:
            name, args, kwargs = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(answer(name, args, kwargs), answers)
        answers.flush()


if __name__ == "__main__":
    main()
