"""Names: one meaning for each constant, and no word that a plainer one has replaced."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.source_code import MODULES

pytestmark = pytest.mark.once

CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
#: Parts of an identifier: "queue", "wait" of queue_wait, QueueWait and QUEUE_WAIT.
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

#: Constants that two modules define with one meaning, and why neither imports it.
SAME_MEANING = {
    "KILLED_EXIT_SECONDS": "the kernel's second after SIGKILL; two processes that supervise",
    "MAX_COUNTED_ROWS": "rows that a screen and the admin count at most; neither knows the other",
    "MAX_PRIORITY": "Django's range, for brokers and of an option; brokers know no wire",
    "MAX_QUEUE_NAME_LENGTH": "the column, and what is asked of an option; brokers know no wire",
    "MIN_PRIORITY": "as MAX_PRIORITY",
    "PROCESS_POLL_INTERVAL": "between two looks for an exit; two processes that supervise",
    "UTC": "datetime.UTC, which Python 3.10 does not have",
}

#: Words that no identifier has as a part, each with the term that is used in its place.
OLD_WORDS = {
    "abandoned": "orphaned",
    "agenda": "due_schedules",
    "bench": "worker_loop",
    "birth": "process_start",
    "board": "process_table",
    "boiled": "reduced",
    "born": "started",
    "buried": "dead_lettered",
    "bury": "move_to_dead_letters",
    "complaint": "throttled_log",
    "desk": "monitor_loop",
    "doorway": "foreign_call_record",
    "endure": "contain_error",
    "errand": "due_runs",
    "farewell": "exit_timeout",
    "gauge": "figures_reader",
    "glance": "poll_interval",
    "graveyard": "dead_letters",
    "heard": "received",
    "lag": "slow_batch",
    "leash": "parent_flag",
    "leftovers": "orphans",
    "linger": "batch_seconds",
    "paced": "throttled",
    "passing": "transient",
    "patience": "timeout",
    "pulse": "liveness",
    "sealed": "pickled",
    "seldom": "check_interval",
    "silence": "no_reply",
    "sparing": "min_pool_size",
    "spent": "done_receipts",
    "surely": "safe_share",
    "surroundings": "task_context",
    "tend": "supervise",
    "timekeeper": "clock_watch",
    "trouble": "outage_log",
    "unheard": "uncalled",
    "unsealed": "unpickled",
    "waker": "scheduler_wakeup",
    "weigh": "count",
}

#: Names that say too little by themselves. Longer names may have them as a part.
OLD_NAMES = set(
    """
    AGAIN AHEAD ALL ASK AT AT_MOST AT_ONCE BACKLOG BACK_OFF BARE BATCH_BYTES BELOW BINARY BLANK
    BRIEFLY BROKEN CALL CALLERS CAREFULLY CHUNK CLEARED CUT DEAD DEEPEST EMPTY ENOUGH EXACT
    EXPECTED FAREWELL FINAL FIRST FOLDER FORGOTTEN FRAME GLANCE GONE GRACE GROUP GROWTH HEARD
    HEAVY HELD HERE HIDDEN HOLD HOMES IMPATIENT INSTANT INTERVAL KEPT KEY KEYS KINDS KNOWN
    LARGEST LAST LAST_BREATH LAST_WORD LEGIBLE LESS LIMIT LINES LINGER LONG LONGEST LOOK LOSING
    MARK MOMENT MOST NAMED NAMES NEEDED NORMAL NUMBERS OFTEN OLD OTHERS OURS OUTCOME OWN PAGE
    PART PARTS PASSED_ON PASSING PAST PATIENCE PAUSE PAUSES PLAIN POLICY PREFIXES PROBE PROBES
    PUT_OFF RECENT REFUSALS REMEMBERED REST RIGHTS RULE SCOPES SECRET SELDOM SHARED SHORT
    SHORTEST SHOWN SILENCE SINGLE SIZE SLACK SMALL SOON SPARING SPECIAL STANDARD STEPS STUCK
    SUFFIXES SURELY TABLE TELLING TICK TIMES TITLES TOGETHER TRIES TRUTHS TYPES UNDONE UNHEARD
    UNTOLD WAIT WAYS WIDE WORD
    Abandoned Adapted Agenda Asking Bench Birth Board BrokerRefuses Cached Complaint Delay Desk
    Door Doorway Encoded Errand Failing Failures Gauge Given Graveyard Hand InHand Inside Leases
    Leash Leftovers Line Listening Look Lowest Maker Member OneByOne Opened Outage Paced
    Parsed Patience Pickled Polling Prepared Pulse Reader Refused Room Scale Shown Silence Spent
    Steps StoreAway StoreRefuses StrictDoor Timekeeper Trimmer Trouble Unanswered Undecodable
    Unopened Unread Unreadable Unusable Use Uses Waker Watch WatchingFile Writer Written
    amend bury consult deadly doorway endure go_on hand hand_back hand_out hang_up insist
    keep_leases lasting leave_to opened pass_on say sealed tell_of work_off
    """.split()
)


def constants() -> Iterator[tuple[str, str, str]]:
    """List the constants of modules: name, module, and what it is made of."""
    for module, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign) and node.value:
                targets = [node.target]
            else:
                continue
            for target in targets:
                yield from pairs(target, node.value, module)


def pairs(target: ast.expr, value: ast.expr, module: str) -> Iterator[tuple[str, str, str]]:
    """Give the constants of one assignment, those of a tuple one by one."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=True):
            yield from pairs(one, part, module)
    elif isinstance(target, ast.Name) and CONSTANT.fullmatch(target.id):
        yield target.id, module, ast.unparse(value)


def test_a_constant_of_one_name_has_one_meaning():
    values: dict[str, dict[str, str]] = {}
    for name, module, value in constants():
        if not module.startswith("migrations."):
            values.setdefault(name, {})[module] = value
    shared = {name: found for name, found in values.items() if len(found) > 1}

    assert shared.keys() == SAME_MEANING.keys(), shared
    assert [name for name, found in shared.items() if len(set(found.values())) > 1] == []


def identifiers(tree: ast.AST) -> set[str]:
    """List all names of a module: variables, attributes, parameters, keywords, imports."""
    fields = ("id", "attr", "name", "asname", "arg")
    found = {getattr(node, field, None) for node in ast.walk(tree) for field in fields}
    return {part for name in found if isinstance(name, str) for part in name.split(".")}


@pytest.mark.parametrize("module", [name for name in MODULES if name[:10] != "migrations"])
def test_a_module_has_no_name_that_was_replaced(module):
    names = identifiers(MODULES[module]) | set(module.split("."))

    old = {
        name: f"use the words of {OLD_WORDS[word]}"
        for name in names
        for word in map(str.lower, PART.findall(name))
        if word in OLD_WORDS
    }

    assert old == {}
    assert names & OLD_NAMES == set()
