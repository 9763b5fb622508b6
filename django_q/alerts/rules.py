"""The option ``alerts``: its rules, whom they tell, and what is wrong with either."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.utils.functional import Promise

#: The names of the rules.
FAILURE_RATE, WAITING_TIME, DEPTH = "failure_rate", "waiting", "depth"
NO_WORKER, SCHEDULE_MISSED = "no_worker", "schedule_missed"
RULE_NAMES = (FAILURE_RATE, WAITING_TIME, DEPTH, NO_WORKER, SCHEDULE_MISSED)
#: Who can be told.
MAIL, WEBHOOK, SIGNAL = "mail", "webhook", "signal"
#: In place of the name of a queue: all queues that are not named.
ANY_QUEUE = "*"
#: Seconds between two evaluations, and after which an alert may be raised again.
DEFAULT_EVERY, DEFAULT_COOL_DOWN = 60.0, 900.0
#: Seconds over which failures are counted, and of how many tasks at least.
DEFAULT_FAILURE_SECONDS, DEFAULT_MIN_TASKS = 300.0, 20


class Problem(NamedTuple):
    """What is wrong with an entry of the option."""

    #: Where it is, below the option: ``['waiting']['mail']``.
    place: str
    #: What was expected; nothing of the value is shown, as it may be secret.
    expected: str
    hint: str | None = None


def is_number(value: Any, least: float = 0, most: float = math.inf) -> bool:
    """Return True for a number above ``least``, and ``most`` at most."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and math.isfinite(value) and least < value <= most


def is_share(value: Any) -> bool:
    """Return True for a number above 0, and below 1."""
    return is_number(value) and value < 1


def is_address(value: Any) -> bool:
    """Return True for what looks like an address of mail."""
    return isinstance(value, str) and "@" in value.strip("@") and "\n" not in value


def is_url(value: Any) -> bool:
    """Return True for the address of a server by HTTP."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_text(value: Any) -> bool:
    """Return True for a text that is not empty, a lazy one as well."""
    return isinstance(value, str | Promise) and bool(value)


#: What a number may be, and how to say that.
SECONDS = (is_number, "a number of seconds above 0")
COUNT = (is_number, "a number above 0")
SHARE = (is_share, "a share of all tasks, above 0 and below 1, such as 0.1")
#: The parts of entries that may be dictionaries.
ENTRY_PARTS: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    FAILURE_RATE: {"above": SHARE, "seconds": SECONDS, "min_tasks": COUNT},
    WEBHOOK: {
        "url": (is_url, "an address that begins with https:// or http://"),
        "secret": (is_text, "a text"),
    },
}
#: The part that the value is of an entry which is no dictionary.
MAIN_PARTS = {FAILURE_RATE: "above", WEBHOOK: "url"}
#: Entries that are a number.
NUMBER_ENTRIES = {
    NO_WORKER: SECONDS,
    SCHEDULE_MISSED: SECONDS,
    "cool_down": SECONDS,
    "every": SECONDS,
}
#: Entries that are a number, or a number for each queue.
NUMBERS_BY_QUEUE = {WAITING_TIME: SECONDS, DEPTH: COUNT}
ENTRY_NAMES = (*ENTRY_PARTS, *NUMBER_ENTRIES, *NUMBERS_BY_QUEUE, MAIL)


def problems(options: Mapping) -> Iterator[Problem]:
    """Find what is wrong with the option; entries that are None are left out."""
    for key, value in options.items():
        if key not in ENTRY_NAMES:
            near = get_close_matches(str(key), ENTRY_NAMES, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else None
            yield Problem("", f"one of {', '.join(ENTRY_NAMES)} for each key", hint)
        elif value is not None:
            yield from entry_problems(key, value)


def entry_problems(key: str, value: Any) -> Iterator[Problem]:
    """Find what is wrong with an entry."""
    if key == MAIL:
        if value is not True and (
            not addresses(value) or not all(map(is_address, addresses(value)))
        ):
            yield Problem("['mail']", "True for ADMINS, or a list of addresses")
    elif key in ENTRY_PARTS:
        yield from part_problems(key, as_table(key, value))
    elif key in NUMBER_ENTRIES:
        if not NUMBER_ENTRIES[key][0](value):
            yield Problem(f"['{key}']", NUMBER_ENTRIES[key][1])
    else:
        is_valid, expected = NUMBERS_BY_QUEUE[key]
        limits = value if isinstance(value, Mapping) else {ANY_QUEUE: value}
        if not all(limit is None or is_valid(limit) for limit in limits.values()):
            yield Problem(f"['{key}']", f"{expected}, or a dictionary of such by queue")


def part_problems(key: str, table: Mapping) -> Iterator[Problem]:
    """Find what is wrong with an entry that may be a dictionary."""
    main = MAIN_PARTS[key]
    if set(table) - set(ENTRY_PARTS[key]) or main not in table:
        yield Problem(f"['{key}']", f"a dictionary with '{main}', of {', '.join(ENTRY_PARTS[key])}")
        return
    for part, value in table.items():
        is_valid, expected = ENTRY_PARTS[key][part]
        if not is_valid(value):
            yield Problem(f"['{key}']['{part}']", expected)


def as_table(key: str, value: Any) -> Mapping:
    """Return an entry as a dictionary, which may be the value of its main part alone."""
    return value if isinstance(value, Mapping) else {MAIN_PARTS[key]: value}


def addresses(value: Any) -> list[Any]:
    """Return addresses of mail as a list; one of them may stand alone."""
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, list | tuple) else []


class AlertRules:
    """The option ``alerts`` as it is evaluated: entries that are wrong are left out.

    The system checks have said what is wrong with them.
    """

    def __init__(self, options: Any) -> None:
        given = options if isinstance(options, Mapping) else {}
        self.options = {
            key: value
            for key, value in given.items()
            if value is not None and key in ENTRY_NAMES and not any(entry_problems(key, value))
        }

    @property
    def names(self) -> list[str]:
        """The names of the rules that are set."""
        return [name for name in RULE_NAMES if name in self.options]

    @property
    def targets(self) -> list[str]:
        """Whom to tell; receivers of the signals in any case."""
        return [SIGNAL, *(name for name in (MAIL, WEBHOOK) if name in self.options)]

    @property
    def every(self) -> float:
        """Seconds between two evaluations."""
        return float(self.options.get("every", DEFAULT_EVERY))

    @property
    def cool_down(self) -> float:
        """Seconds after an alert was raised for which it is not raised again."""
        return float(self.options.get("cool_down", DEFAULT_COOL_DOWN))

    def limit(self, rule: str, queue: str) -> float | None:
        """Return the limit of a rule for a queue; None without one."""
        value = self.options.get(rule)
        if not isinstance(value, Mapping):
            return value
        return value[queue] if queue in value else value.get(ANY_QUEUE)

    def table(self, key: str) -> Mapping:
        """Return an entry that may be a dictionary as one; empty where it is not set."""
        return as_table(key, self.options[key]) if key in self.options else {}

    def min_seconds(self, rule: str) -> float:
        """Return for how many seconds it must last what a rule has found, before it is told."""
        return float(self.options[rule]) if rule == NO_WORKER else 0.0
