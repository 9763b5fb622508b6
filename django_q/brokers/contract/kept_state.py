"""What a broker keeps beside the payload of an unfinished task, and gives with its deliveries."""

from __future__ import annotations

from typing import NamedTuple

#: Characters of each text at most; a longer one is not kept, and what was there before stays.
MAX_STATE_LENGTH = 65_536


class KeptState(NamedTuple):
    """Three texts, with one writer each. A broker does not read them: they are signed."""

    #: How its attempts have ended. The monitor writes it when it releases the delivery.
    attempts: str = ""
    #: How far it has got. The sentinel writes it while the task runs, the monitor at its release.
    position: str = ""
    #: Who has cancelled it, and when. Whoever cancels it writes that.
    cancelled: str = ""
