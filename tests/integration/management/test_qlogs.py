"""The command that shows the logs of a task."""

from __future__ import annotations

import json
import uuid

import pytest

from django_q.task_logs.rows import save_logs
from tests.integration.management.test_order_commands import run
from tests.integration.task_logs.test_following import broker  # noqa: F401
from tests.integration.task_logs.test_rows import entry

pytestmark = pytest.mark.django_db
TASK_ID = "a" * 32


def test_the_logs_of_all_attempts_are_shown(broker):  # noqa: F811
    first = entry(TASK_ID, worker="web:1", queue="mail", text="one\n")
    save_logs([first, entry(TASK_ID, attempt=2, begun=2000.0, text="two\n", length=99)])

    text, code = run("qlogs", str(uuid.UUID(TASK_ID)))

    assert text.splitlines() == [
        "--- attempt 1, web:1, mail, 1970-01-01 00:16:40 UTC",
        "one",
        "--- attempt 2, 1970-01-01 00:33:20 UTC (the end of the log)",
        "two",
    ]
    assert code == 0


@pytest.mark.parametrize("options", [[], ["-f"]])
def test_they_are_written_as_json(broker, options):  # noqa: F811
    save_logs([entry(TASK_ID, text="ü", length=2)])

    text, _code = run("qlogs", TASK_ID, "--json", *options)

    (line,) = map(json.loads, text.splitlines())
    assert (line["id"], line["attempt"], line["text"]) == (TASK_ID, 1, "ü")
    assert line["begun"] == "1970-01-01T00:16:40+00:00"


def test_no_log_is_an_exit_code(broker):  # noqa: F811
    assert run("qlogs", TASK_ID) == ("", 1)


def test_nothing_that_a_task_logs_controls_the_terminal(broker):  # noqa: F811
    save_logs([entry(TASK_ID, text="a\tb\n\x1b]0;title\x07\r宽\n", queue="q\x1b[2J", length=99)])

    text, _code = run("qlogs", TASK_ID)

    head, *lines = text.splitlines()
    assert "q\\x1b[2J" in head
    assert lines == ["a\tb", "\\x1b]0;title\\x07\\r宽"]
