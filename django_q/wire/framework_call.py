"""How a call by Django's tasks framework travels: its arguments as JSON text in the package.

The package around it is signed and serialized as any other, so that each cluster can read it. But
no value of the call is pickled, whichever serializer it is.
"""

from __future__ import annotations

import json
from typing import Any

from django_q.exceptions import PackageError
from django_q.wire.option_types import shown
from django_q.wire.package import TaskPackage


def with_written_arguments(package: TaskPackage) -> TaskPackage:
    """Return a package whose arguments are text. Raises ``PackageError`` for what JSON has not."""
    args, kwargs = list(package["args"]), dict(package["kwargs"])
    try:
        text = json.dumps([args, kwargs], separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise PackageError(
            f"The arguments of a task of the backend {package['backend']!r} must be JSON: {error}. "
            "Pass text, numbers, truth values, None, and lists or dictionaries of them."
        ) from error
    return {**package, "args": (), "kwargs": {}, "arguments": text}


def with_read_arguments(package: TaskPackage) -> TaskPackage:
    """Read the arguments of a package, in place, where they are text. Raises ``PackageError``."""
    text: Any = package.pop("arguments", None)
    if text is None:
        return package
    try:
        args, kwargs = json.loads(text)
        package["args"], package["kwargs"] = tuple(args), {**kwargs}
    except (TypeError, ValueError, RecursionError) as error:
        raise PackageError(
            f"The arguments of a task of Django's tasks framework must be a list and a dictionary "
            f"as JSON; got {shown(text)}."
        ) from error
    return package
