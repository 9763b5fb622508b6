"""A queue that several clusters begin to work for at the same moment."""

from __future__ import annotations

import time

from django_q import tasks
from django_q.conf import Conf
from django_q.status import Stat

#: Seconds between two looks at the heartbeats.
LOOK_INTERVAL = 0.1


def pause() -> None:
    """Have no cluster take tasks."""
    tasks.queue().pause()


def await_clusters(number: int) -> None:
    """Wait until so many clusters are idle."""
    while len([stat for stat in Stat.get_all() if stat.status == Conf.IDLE]) < number:
        time.sleep(LOOK_INTERVAL)


def resume() -> None:
    """Have them take tasks."""
    tasks.queue().resume()
