"""How a call by Django's tasks framework travels: its arguments as JSON text in the package.

The package around it is signed and serialized as any other, so that each cluster can read it. But
no value of the call is pickled, whichever serializer it is.
"""

from __future__ import annotations

import json
from typing import Any, TypedDict, TypeVar

from django_q.exceptions import PackageError
from django_q.text.representation import represent

Package = TypeVar("Package", bound=Any)


class FrameworkPackage(TypedDict, total=False):
    """What a package has more of then; ``backend`` is there in each such package."""

    backend: str  # alias of the backend in the setting TASKS
    queue: str  # the task's queue_name, which is a label
    takes_context: bool
    arguments: str  # args and kwargs as JSON; these are empty on the way to a cluster
    keep_for: float  # seconds after its end in which its row is not pruned


FRAMEWORK_KEYS = frozenset(FrameworkPackage.__annotations__)


def with_written_arguments(package: Package) -> Package:
    """Return a package whose arguments are text. Raises ``PackageError`` for what JSON has not."""
    args, kwargs = list(package["args"]), dict(package["kwargs"])
    try:
        text = json.dumps([args, kwargs], separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise PackageError(
            f"The arguments of a task of the backend {package['backend']!r} must be JSON: {error}. "
            "Pass text, numbers, truth values, None, and lists or dictionaries of them."
        ) from error
    return {**package, "args": (), "kwargs": {}, "arguments": text}  # type: ignore[return-value]


def with_read_arguments(package: Package) -> Package:
    """Read the arguments of a package, in place, where they are text. Raises ``PackageError``."""
    text: Any = package.pop("arguments", None)
    if text is None:
        return package
    try:
        args, kwargs = json.loads(text)
        package["args"], package["kwargs"] = tuple(args), {**kwargs}
    except (TypeError, ValueError, RecursionError) as error:
        raise PackageError(
            "The arguments of a task of Django's tasks framework must be a list and a dictionary "
            f"as JSON; got {represent(text, 100)}."
        ) from error
    return package
