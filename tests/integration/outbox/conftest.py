"""The outbox of the tests, and a network to Redis that can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.proxy import Proxy
from tests.outboxes import proxied_redis, use_outbox


@pytest.fixture
def outbox(request: pytest.FixtureRequest, transactional_db: None, conf: Callable) -> Iterator[str]:
    """Have an empty outbox in the default database, or another. Gives the alias."""
    with use_outbox(getattr(request, "param", "default"), conf) as alias:
        yield alias


@pytest.fixture
def network(broker: Any, conf: Callable) -> Iterator[Proxy]:
    """Have producers reach Redis by a network that can fail; ``broker`` itself does not use it."""
    with proxied_redis(conf) as proxy:
        yield proxy
    broker.close()
