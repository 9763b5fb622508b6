"""Right and wrong calls of task functions, for mypy and pyright: nothing here is run.

A wrong call has a comment for each of the two, with the error that it reports. A comment that is
not needed is an error as well: ``tox -e typing`` passes if all right calls pass and no wrong one.
"""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from typing_extensions import assert_type

from django_q.models import Schedule
from django_q.tasks import TaskFunction, async_task, task


@task
def send(address: str, copies: int = 1) -> bool:
    """Be decorated without options."""
    return bool(address) and copies > 0


@task(retries=3, timeout=timedelta(minutes=1), cluster="mail", secret="token")
def log_in(name: str, *, token: str) -> str:
    """Be decorated with options."""
    return name


@task(priority=5)
async def fetch(url: str) -> bytes:
    """Be a coroutine function."""
    return url.encode()


def plain(x: float) -> float:
    """Be not decorated."""
    return x


def right_calls() -> None:
    """Call as it is meant."""
    assert_type(send("ann"), bool)
    assert_type(log_in("ann", token="x"), str)
    assert_type(send.enqueue("ann", copies=2), str)
    assert_type(send.using(retries=1, hook="shop.hooks.sent").enqueue("ann"), str)
    assert_type(log_in.enqueue("ann", token="x"), str)
    assert_type(send.map(["ann", ("bob", 2)]), str)
    assert_type(send.schedule({"cron": "0 9 * * *", "name": "daily"}, "ann", copies=2), Schedule)
    assert_type(task(plain)(1.5), float)
    task(plain, group="plain", unique=True).enqueue(1.5)
    by_path: TaskFunction[..., Any] = task("shop.tasks.send", retries=2)
    by_path.enqueue(1, "whatever", it="takes")
    async_task(send, "ann", group="mails")
    async_task(send.using(priority=1), "ann")


async def right_calls_in_a_coroutine() -> None:
    """Await as it is meant."""
    coroutine: Coroutine[Any, Any, bytes] = fetch("https://example.com")
    assert_type(await coroutine, bytes)
    assert_type(await fetch.aenqueue("https://example.com"), str)


def wrong_calls() -> None:
    """Call with arguments that the functions do not take."""
    send.enqueue(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    send.enqueue()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    send.enqueue("ann", copy=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    send("ann", "two")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    send.using(retries=1).enqueue(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    log_in.enqueue("ann")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    log_in.enqueue("ann", "x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    send.enqueue("ann", timeout=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    task(plain).enqueue("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wrong_options() -> None:
    """Give options and fields that are none."""
    send.using(retires=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    send.using(retries="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    task(plain, queue="x")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    task(retries=[])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    send.schedule({"corn": "0 9 * * *"}, "ann")  # type: ignore[typeddict-unknown-key]  # pyright: ignore[reportArgumentType]
    send.schedule({}, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_calls_in_a_coroutine() -> None:
    """Await with arguments that the functions do not take."""
    await fetch.aenqueue(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await fetch.aenqueue()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(await fetch("x"), str)  # type: ignore[assert-type]  # pyright: ignore[reportAssertTypeFailure]
