"""The receiving end of the result queue: results in batches, and a buffer for those that wait."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from django_q.completion.finished_task import is_done_receipts
from django_q.descriptor_wait import wait_until_readable
from django_q.processes.supervision.process_start import parent_flags
from django_q.queues import STOP, Queue
from django_q.servers import connections

#: Results in a batch at most.
MAX_RESULT_BATCH = 500
#: Seconds for which a batch of receipts alone waits for more, to acknowledge them together.
RECEIPT_BATCH_SECONDS = 0.005
#: Seconds without results after which a database connection is closed, as CONN_MAX_AGE has it.
IDLE_CONNECTION_SECONDS = 5.0


class ResultReceiver:
    """Takes batches of results off the queue, first those that were buffered.

    Results that arrive while a store is unavailable are buffered here, so that their leases can
    be extended. The queue may also be a ``multiprocessing.Queue``, of which nothing is buffered.
    """

    def __init__(
        self, result_queue: Any, while_idle: Callable[[], float | None] = lambda: None
    ) -> None:
        self.result_queue = result_queue
        #: Called when no result has come for a while. Returns after how many seconds it is to be
        #: called again; None for not before there are results.
        self.while_idle = while_idle
        self.is_own_queue = isinstance(result_queue, Queue)
        self.buffered: deque[Any] = deque()  # in the order of their arrival
        self.stopped = False  # whether the last message has been received
        self.buffer_lock = threading.Lock()  # two threads buffer: this keeps messages in order
        if self.is_own_queue and parent_flags():
            # The queue ends with its last writer: this process must not count as one.
            result_queue.writer.close()

    def has_arrived(self) -> bool:
        """Return True if a message is here already."""
        return bool(self.buffered) or not self.result_queue.empty()

    def take_batch(self) -> list[Any]:
        """Take the next results, waiting for the first; an empty list after the last message."""
        batch: list[Any] = []
        end = 0.0
        while len(batch) < MAX_RESULT_BATCH and (self.buffered or not self.stopped):
            items = self.take_items(block=not batch)
            end = end or time.monotonic() + RECEIPT_BATCH_SECONDS
            if not items and not self.another_message_arrives(batch, end):
                break
            batch += items
        return batch

    def another_message_arrives(self, batch: list[Any], end: float) -> bool:
        """Return True if another message arrives before ``end``.

        Only a batch of bare receipts waits: nobody is waiting for those.
        """
        if not batch or not all(map(is_done_receipts, batch)):
            return False
        left = end - time.monotonic()
        return self.is_own_queue and bool(wait_until_readable([self.result_queue], left))

    def take_items(self, block: bool) -> list[Any]:
        """Take buffered results, or else one message; an empty list when there is none."""
        if self.buffered:
            count = min(MAX_RESULT_BATCH, len(self.buffered))
            items = [self.buffered.popleft() for _ in range(count)]
            self.result_queue.count.add(-count)
            return items
        return self.receive_message(block)

    def receive_message(self, block: bool) -> list[Any]:
        """Take one message off the queue, and note whether it is the last."""
        try:
            if self.is_own_queue:
                items = self.await_message() if block else self.result_queue.get_many(block=False)
            else:
                items = [self.result_queue.get(block)]
        except queue.Empty:
            return []
        except EOFError:  # all writers are gone
            items = [STOP]
        self.stopped = self.stopped or STOP in items
        return [item for item in items if item != STOP]

    def await_message(self) -> list[Any]:
        """Wait for a message; close database connections when none comes for a while."""
        seconds: float | None = IDLE_CONNECTION_SECONDS
        while True:
            try:
                return self.result_queue.get_many(timeout=seconds)
            except queue.Empty:
                seconds = self.while_idle()
                connections.close_old()

    def buffer_while_waiting(self, seconds: float) -> None:
        """Wait, and buffer the messages that arrive meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self.is_own_queue or self.stopped:
                time.sleep(left)
                return
            if wait_until_readable([self.result_queue], left):
                self.buffer_message()

    def buffer_arrived(self) -> None:
        """Buffer all messages that have arrived, without waiting."""
        while self.is_own_queue and self.buffer_message():
            pass

    def buffer_message(self) -> bool:
        """Buffer one message that has arrived; return whether there was one.

        Its results still count as queued, so that the pusher takes no more tasks than fit.
        """
        with self.buffer_lock:
            # Not asked when it is empty: it would reset its count, and forget what is buffered.
            if self.stopped or self.result_queue.empty():
                return False
            items = self.receive_message(block=False)
            self.buffered.extend(items)
        self.result_queue.count.add(len(items))
        return bool(items)


def receipts_in(results: Iterable[Any]) -> list[Any]:
    """List the receipts of results, bare receipts among them."""
    found: list[Any] = []
    for result in results:
        if is_done_receipts(result):
            found += result[0]
        elif isinstance(result, dict) and "ack_id" in result:
            found.append(result["ack_id"])
    return found
