"""Run a coroutine so that the handler of a Unix signal can raise an exception where it waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from typing import Any

from asgiref.sync import async_to_sync

#: Whether the ORM in a coroutine is to use the database connections of the thread that runs it, as
#: one may hold the transaction of a test. The loop then runs in another thread, which takes longer.
uses_own_connections: ContextVar[bool] = ContextVar("django_q_own_connections", default=False)


class RunningCoroutine:
    """A coroutine that runs in an event loop of its own.

    While it waits, the interpreter is inside of the loop. An exception that the handler of a signal
    raised there would end the loop, and the coroutine would see that it is cancelled. So its
    asyncio task is cancelled, and the exception takes the place of ``CancelledError``.
    """

    #: The one that the main thread runs.
    current: RunningCoroutine | None = None

    def __init__(self, coroutine: Coroutine) -> None:
        self.coroutine = coroutine
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task | None = None
        self.error: BaseException | None = None  # to be raised where it waits

    def run(self) -> Any:
        """Run it to its end, and return its result."""
        if threading.current_thread() is not threading.main_thread():
            return self.run_loop()
        before, RunningCoroutine.current = RunningCoroutine.current, self
        try:
            return self.run_loop()
        finally:
            RunningCoroutine.current = before

    def run_loop(self) -> Any:
        """Run it in an event loop."""
        return (
            async_to_sync(self.main)() if uses_own_connections.get() else asyncio.run(self.main())
        )

    async def main(self) -> Any:
        """Run it as the main task of the loop."""
        self.loop, self.task = asyncio.get_running_loop(), asyncio.current_task()
        if self.error is not None:  # raised before there was a loop
            self.loop.call_soon(self.task.cancel)
        return await self

    def __await__(self) -> Generator[Any, Any, Any]:
        value, error = None, None
        while True:
            try:
                awaited = self.coroutine.throw(error) if error else self.coroutine.send(value)
            except StopIteration as end:
                return end.value
            value, error = None, None
            try:
                value = yield awaited
            except asyncio.CancelledError as cancelled:
                error = self.replaced(cancelled)
            except BaseException as raised:
                error = raised

    def replaced(self, cancelled: asyncio.CancelledError) -> BaseException:
        """Return what is to be raised where the coroutine was cancelled."""
        error, self.error = self.error, None
        if error is None:
            return cancelled
        if hasattr(self.task, "uncancel"):
            self.task.uncancel()
        return error

    def interrupt(self, error: BaseException) -> bool:
        """Raise an exception where the coroutine waits.

        Returns False where it does not wait, but runs: then the caller is to raise it.
        """
        if self.coroutine.cr_running:
            return False
        if self.coroutine.cr_frame is None:  # it has ended
            return True
        self.error = error
        if self.loop is not None and self.task is not None:
            self.loop.call_soon_threadsafe(self.task.cancel)
        return True
