"""Fixtures of the tests that are asked of each broker."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator

import pytest

from django_q.brokers import adapt_broker
from django_q.brokers.orm import broker as orm


@pytest.fixture
def broker(request, conf, make_broker, monkeypatch):
    """A broker of each kind, empty."""
    conf(retry=30)
    if request.param == "other database":  # one that nothing in particular is known about
        monkeypatch.setattr(orm, "DATABASE_CLASSES", {})
        return make_broker("postgres")
    return adapt_broker(make_broker(request.param))


@pytest.fixture
def peer(broker) -> Iterator:
    """Another process's view of the same queue: it shares no connection."""
    peer = pickle.loads(pickle.dumps(broker))
    yield peer
    peer.close()


@pytest.fixture
def in_thread() -> Iterator[Callable]:
    """Run a function in a thread; give what waits for its result."""
    threads = []

    def start(function: Callable) -> Callable:
        results = []
        thread = threading.Thread(target=lambda: results.append(function()))
        threads.append(thread)
        thread.start()

        def join():
            thread.join(60)
            return results[0]

        return join

    yield start
    for thread in threads:
        thread.join(30)
