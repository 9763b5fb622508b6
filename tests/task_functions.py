"""Functions that tests decorate with ``@task``."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from django_q.tasks import task
from django_q.wire.package import KNOWN_OPTIONS
from tests import tasks

hooked: list[Any] = []


@task
def note(finished: Any) -> None:
    """Note a finished task: a hook."""
    hooked.append(finished)


@task
def multiply(x: int, y: int = 2) -> int:
    """Return a product."""
    return x * y


@task(retries=3, timeout=20, group="mails", hook=note)
def send(address: str, token: str = "") -> str:
    """Say to whom it was sent."""
    return f"sent to {address}"


@task(secret=("card",))
def pay(order: int, card: str) -> int:
    """Take a secret whose name does not say so."""
    return order


@task(secret=("token", "codes"))
def log_in(name: str, token: str, *codes: str, again: bool = False) -> str:
    """Take secrets."""
    return name


@task
async def wait_and_multiply(x: int, y: int) -> int:
    """Return a product, later."""
    await asyncio.sleep(0)
    return x * y


@task(retries=2, retry_delay=0)
def fail() -> None:
    """Fail."""
    raise ValueError("as asked")


def twice(func: Callable[[int], int]) -> Callable[[int], int]:
    """Decorate a function to give its result twice."""

    @functools.wraps(func)
    def wrapper(x: int) -> int:
        return 2 * func(x)

    return wrapper


@task
@twice
def increased_twice(x: int) -> int:
    """Return 2 (x + 1)."""
    return x + 1


@twice
@task(group="below")
def task_below(x: int) -> int:
    """Return 2 (x + 1): the task is below the other decorator."""
    return x + 1


class Shop:
    """A class with functions."""

    @staticmethod
    @task(group="shops")
    def close(name: str) -> str:
        """Close a shop."""
        return f"{name} is closed"

    #: Refers to a function of the module.
    action = multiply


#: A function that is not decorated where it is defined, and one that is not imported.
echo = task(tasks.echo, group="echoes")
by_path = task("tests.tasks.echo", group="paths")


def make_greedy_function() -> Any:
    """Make a function whose parameters have the names of all options."""
    names = sorted({*KNOWN_OPTIONS, "q_options", "self", "func", "args_iter", "fields", "values"})
    parameters = ", ".join(f"{name}=None" for name in names)
    source = f"def greedy({parameters}): return dict(locals())"
    space: dict[str, Any] = {"__name__": __name__}
    exec(source, space)
    return space["greedy"]


greedy = task(make_greedy_function(), group="greedy")
