"""How the attempts of an unfinished task have ended: kept beside its payload, signed.

An *end* is a dictionary: ``time`` (ISO 8601, UTC), ``begun`` (the same, if it is known when the
attempt began), ``worker``, ``attempt`` (the number of the delivery), ``exception`` (the path of its
class; empty for a success) and ``text``. That of a success of which no row is made has its
``result`` as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from django_q.exceptions import WorkerDied, contain_error
from django_q.task_state.signed_text import ATTEMPTS, read_signed_text, sign_text
from django_q.text.error_text import safe_str
from django_q.text.function_names import exception_path

#: Characters that a broker keeps at most, as ``brokers.contract.kept_state`` has it.
MAX_KEPT_LENGTH = 65_536
#: Ends that are kept of a task: the last ones.
MAX_KEPT_ENDS = 10
#: Characters of the text of an end, as JSON writes them.
MAX_END_TEXT_LENGTH = 4096
#: Characters of each other value of an end.
MAX_END_VALUE_LENGTH = 200
#: Characters that the result of a success may have, to be kept beside its payload.
MAX_KEPT_RESULT_LENGTH = 48_000
#: The largest number of ends that is believed.
MAX_COUNT = 2**31 - 1
#: The year 9000 in seconds since the epoch: later times are out of range in some time zone.
LATEST_TIME = 221_845_392_000.0
#: The key of an end that has the result of a success, as its column would have it.
RESULT_KEY = "result"
#: Stands for what is left out in the middle of a text.
CUT_MARK = " ... "
WORKER_DIED = exception_path(WorkerDied)


class Attempts(NamedTuple):
    """How the attempts of a task have ended so far."""

    #: The last ends, oldest first.
    ends: Sequence[dict[str, Any]] = ()
    #: How many ends were recorded.
    count: int = 0
    #: How many of them were deaths of its worker.
    deaths: int = 0


def read_attempts(task_id: str, text: str) -> Attempts:
    """Read what was kept of the attempts of a task. Raises ``BadSignature``."""
    return attempts_in(read_signed_text(ATTEMPTS, task_id, text)) if text else Attempts()


def sign_attempts(task_id: str, attempts: Attempts) -> str:
    """Sign attempts, to be kept; the oldest ends are left out where the text would be too long."""
    ends = attempts.ends
    while True:
        text = sign_text(ATTEMPTS, task_id, attempts._replace(ends=ends)._asdict())
        if len(text) <= MAX_KEPT_LENGTH or not ends:
            return text
        ends = ends[1:]


def with_end(attempts: Attempts, end: dict[str, Any]) -> Attempts:
    """Add an end."""
    return Attempts(
        [*attempts.ends, end][-MAX_KEPT_ENDS:],
        min(attempts.count + 1, MAX_COUNT),
        attempts.deaths + (end.get("exception") == WORKER_DIED),
    )


def note_attempts(package: Any, text: str) -> None:
    """Note in a package that was read what was kept of its attempts. Raises ``BadSignature``."""
    package["ends"], package["ended_count"], package["deaths"] = read_attempts(package["id"], text)


def attempts_of(package: Mapping[str, Any]) -> Attempts:
    """Return what a package says of the attempts before the one that it tells of.

    What is there may be of any class: receivers of signals may change a package.
    """
    names = {"ends": "ends", "ended_count": "count", "deaths": "deaths"}
    found = {own: package[name] for name, own in names.items() if name in package}
    return attempts_in(found) if found else Attempts()


def attempts_in(value: Any) -> Attempts:
    """Make attempts of a value, without what is none."""
    if type(value) is not dict:
        return Attempts()
    ends = value.get("ends")
    ends = [end for end in ends if type(end) is dict] if type(ends) is list else []
    count, deaths = (valid_count(value.get(name)) for name in ("count", "deaths"))
    return Attempts(ends[-MAX_KEPT_ENDS:], max(count, len(ends)), deaths)


def valid_count(value: Any) -> int:
    """Return a count, and 0 in place of anything else."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else 0


def last_recorded_attempt(package: Mapping[str, Any]) -> int:
    """Return the number of the last delivery whose end was recorded; 0 without any."""
    if not package.get("ends"):  # the usual case
        return 0
    ends = attempts_of(package).ends
    return valid_count(ends[-1].get("attempt")) if ends else 0


def lost_deliveries(package: Mapping[str, Any]) -> int:
    """Count the deliveries before this one that were lost: they have ended unrecorded.

    Whoever had them may have died. A task that was run again as it had failed has lost none.
    """
    attempt = package.get("attempt", 1)
    return max(0, attempt - 1 - last_recorded_attempt(package)) if attempt > 1 else 0


def last_attempt_unverified(text: str) -> int:
    """Read the number of the last delivery whose end was recorded, of a task whose id is unknown.

    Without its id the signature can not be verified: good for no more than to bound a number.
    """
    try:
        return last_recorded_attempt(json.loads(text.partition(":")[2]))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return 0


def make_end(package: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Describe how the attempt has ended that a package tells of."""
    begun = package.get("begun")
    return {
        "time": utc_text(package.get("stopped")),
        **({"begun": utc_text(utc_time(begun))} if is_time(begun) else {}),
        "worker": cut_text(safe_str(package.get("worker") or ""), MAX_END_VALUE_LENGTH),
        "attempt": valid_count(package.get("attempt", 1)),
        "exception": (
            ""
            if package["success"]
            else cut_text(safe_str(package.get("exception") or ""), MAX_END_VALUE_LENGTH)
        ),
        "text": cut_text(text, MAX_END_TEXT_LENGTH),
    }


def is_time(seconds: Any) -> bool:
    """Return True for seconds since the epoch that are a time in any time zone."""
    return type(seconds) is float and 0 < seconds < LATEST_TIME


def utc_time(seconds: float) -> datetime:
    """Make a time of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def utc_text(moment: Any) -> str:
    """Write a time in UTC as ISO 8601; that of now in place of what is none."""
    try:
        return moment.astimezone(timezone.utc).isoformat()
    except BaseException as error:  # a receiver may have put anything there
        contain_error(error)
        return datetime.now(timezone.utc).isoformat()


def cut_text(text: str, limit: int) -> str:
    """Cut a text to so many characters as JSON writes them: its beginning, and more of its end.

    The end of a traceback is where the error was raised. PostgreSQL has no place in JSON for NUL
    and for halves of characters.
    """
    if len(text) > 2 * limit:  # most of it is left out in any case
        text = text[:limit] + text[-limit:]
    text = text.replace("\x00", "?").encode(errors="replace").decode()
    if json_length(text) <= limit:
        return text
    head = fitting(text, limit // 4)
    rest = limit - limit // 4 - len(CUT_MARK)
    return head + CUT_MARK + fitting(text[::-1], rest)[::-1]


def fitting(text: str, limit: int) -> str:
    """Return as much of the beginning of a text as JSON writes in so many characters."""
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if json_length(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low]


def json_length(text: str) -> int:
    """Count the characters of a text in JSON, without its quotes."""
    return len(json.dumps(text)) - 2
