"""The receiving end of the result queue."""

from __future__ import annotations

from multiprocessing import Queue as PythonQueue

from django_q.processes.result_receiver import MAX_RESULT_BATCH, ResultReceiver
from django_q.queues import STOP, Queue


def test_buffered_results_are_taken_first_and_count_as_queued_until_then():
    results = Queue()
    receiver = ResultReceiver(results)
    results.put_many(["first", "second"])
    results.put("third")

    receiver.buffer_arrived()
    results.put("fourth")

    assert results.qsize() == 4
    assert receiver.take_batch() == ["first", "second", "third", "fourth"]
    assert results.qsize() == 0
    results.close()


def test_a_batch_has_a_limit():
    results = Queue()
    receiver = ResultReceiver(results)
    results.put_many(list(range(MAX_RESULT_BATCH)))
    results.put(MAX_RESULT_BATCH)

    assert len(receiver.take_batch()) == MAX_RESULT_BATCH
    assert receiver.take_batch() == [MAX_RESULT_BATCH]
    results.close()


def test_what_came_before_the_last_message_is_taken_and_then_nothing_more():
    results = Queue()
    receiver = ResultReceiver(results)
    results.put((["receipt"], ()))
    results.put(STOP)

    assert receiver.take_batch() == [(["receipt"], ())]
    assert receiver.take_batch() == []
    results.close()


def test_results_come_also_through_a_queue_of_python():
    results = PythonQueue()
    receiver = ResultReceiver(results)
    results.put("a result")
    results.put(STOP)

    taken = receiver.take_batch() + receiver.take_batch()

    assert taken == ["a result"]
    assert receiver.stopped
    results.close()
    results.join_thread()
