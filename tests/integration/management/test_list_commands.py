"""The commands that list tasks and failures: what they print, and how they exit."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_q.foreign_code.secret_arguments import HIDDEN_VALUE
from django_q.models import Task
from django_q.tasks import async_task
from django_q.terminal.lists import failure_kinds
from tests.heartbeats import make_stat
from tests.integration.admin.rows import NOW, make_failure, make_task

pytestmark = pytest.mark.django_db(transaction=True)
KIND, OTHER_KIND = "abcd" * 8, "abce" * 8


@pytest.fixture(autouse=True)
def broker(make_broker):
    return make_broker("memory")


def run(command: str, *arguments: str) -> tuple[str, str, int]:
    """Run a command. Returns what it prints, what it says beside that, and its exit code."""
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command(command, *arguments, stdout=out, stderr=err)
    except SystemExit as exit_:
        code = exit_.code
    return out.getvalue(), err.getvalue(), code


def fail(**values):
    """Save a failure that has ended later than those before it."""
    stopped = NOW + timedelta(seconds=Task.objects.count())
    given = {"func": "math.copysign", "args": (1, 2), "fingerprint": KIND, "stopped": stopped}
    return make_failure(**given | values)


def test_tasks_are_lines_with_tabs_in_a_pipe():
    async_task("shop.mails.send", 7)
    make_task(name="done-before", func="shop.reports.daily")

    out, err, code = run("qtasks")

    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[1] for line in lines] == ["waiting", "succeeded"]
    assert lines[0][3] == "shop.mails.send"
    assert (err, code) == ("", 0)


def test_tasks_are_found_by_the_search_of_the_dashboard():
    make_task(name="done-before", func="shop.reports.daily")
    make_failure(name="broken-one")

    assert run("qtasks", "state:failed")[0].count("\n") == 1
    assert "done-before" in run("qtasks", "func:daily", "state:succeeded")[0]
    assert run("qtasks", "nobody") == ("", "", 1)


def test_tasks_as_json_have_secrets_as_dots():
    async_task("shop.mails.send", password="hush")

    out, _err, code = run("qtasks", "--json")

    (task,) = json.loads(out)
    assert (task["state"], task["func"], code) == ("waiting", "shop.mails.send", 0)
    assert task["arguments"] == f"password={HIDDEN_VALUE}"
    assert "hush" not in out


def test_a_limit_may_be_more_than_a_page_of_the_dashboard():
    for _each in range(60):
        make_task()

    assert run("qtasks", "--limit", "55")[0].count("\n") == 55
    assert json.loads(run("qtasks", "--json", "--limit", "100")[0]).__len__() == 60


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("qtasks", ["colour:red"], "unknown field 'colour'"),
        ("qfail", ["--rate", "5"], "--rate needs --resubmit"),
        ("qfail", ["--resubmit", "abc"], "0 kinds begin with"),
    ],
)
def test_what_is_wrong_is_said_with_an_exit_code_of_its_own(command, arguments, message):
    with pytest.raises(CommandError, match=message) as failure:
        run(command, *arguments)

    assert failure.value.returncode == 2


@pytest.mark.parametrize("number", ["0", "-1", "x", "nan"])
def test_numbers_are_above_zero(number):
    with pytest.raises(CommandError, match="expected a number above 0"):
        run("qfail", "--resubmit", KIND, "--rate", number)


def test_queues_that_can_not_be_read_are_a_line_and_an_exit_code(broker, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("refused")

    make_task(name="done-before")
    monkeypatch.setattr(type(broker), "list_tasks", refuse)

    out, err, code = run("qtasks")

    assert "done-before" in out
    assert err == "The queues can not be read: ConnectionError: refused\n"
    assert code == 2


def test_failures_are_listed_by_kind():
    fail(exception="shop.errors.Declined")
    fail(exception="shop.errors.Declined")
    fail(fingerprint=OTHER_KIND)

    out, err, code = run("qfail")

    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[:2] for line in lines] == [[KIND[:12], "2"], [OTHER_KIND[:12], "1"]]
    assert lines[0][4] == "shop.errors.Declined"
    assert (err, code) == ("", 0)
    assert [kind["kind"] for kind in json.loads(run("qfail", "--json")[0])] == [KIND, OTHER_KIND]
    assert run("qfail", "--limit", "1")[0].count("\n") == 1


def test_no_failures_are_an_exit_code():
    assert run("qfail") == ("", "", 1)
    assert run("qfail", "--json") == ("[]\n", "", 1)


def test_failures_of_a_kind_are_resubmitted_by_the_beginning_of_its_fingerprint():
    first, second = fail(), fail()
    fail(fingerprint=OTHER_KIND)

    out, _err, code = run("qfail", "--resubmit", "abcdab")

    assert out.splitlines() == [
        f"{first.pk}: resubmitted as {first.pk}",
        f"{second.pk}: resubmitted as {second.pk}",
        "2 resubmitted, 0 not.",
    ]
    assert code == 0
    assert run("qfail", "--resubmit", KIND)[1:] == ("", 1)  # they wait


def test_the_beginning_of_two_kinds_is_refused():
    fail()
    fail(fingerprint=OTHER_KIND)

    with pytest.raises(CommandError, match="which 2 kinds begin with"):
        run("qfail", "--resubmit", "abc")


def test_one_that_is_refused_is_an_exit_code_and_its_reason_is_told():
    fail(func="nowhere.at_all")
    fail()

    out, _err, code = run("qfail", "--resubmit", KIND, "--json")

    refused, done = json.loads(out)
    assert "can not be found" in refused["refused"]
    assert done["new_id"] == done["id"]
    assert code == 1


def test_failures_are_resubmitted_at_a_rate():
    ids = [fail().pk for _each in range(3)]
    naps: list[float] = []

    done = list(failure_kinds.resubmit_slowly(KIND, 10, 4.0, naps.append))

    assert [task_id for task_id, _new_id, _reason in done] == ids
    assert naps == [0.25, 0.25]


def test_a_failure_that_is_deleted_meanwhile_is_passed_over():
    kept, gone = fail(), fail()

    done = failure_kinds.resubmit_slowly(
        KIND, 10, 1.0, lambda _seconds: Task.objects.filter(pk=gone.pk).delete()
    )

    assert [task_id for task_id, *_rest in done] == [kept.pk]


def test_progress_that_is_no_number_is_null_in_json(broker):
    runs = [{"pid": 1, "id": "a" * 32, "name": "n", "func": "f", "group": "", "seconds": 1.0,
             "attempt": 1, "since": 0.0, "done": float("nan"), "total": float("inf"),
             "note": "\udcff"}]  # fmt: skip
    make_stat(running=runs).save(broker)

    text, _err, code = run("qtasks", "state:running", "--json")

    (task,) = json.loads(text, parse_constant=pytest.fail)
    assert (task["done"], task["total"], task["note"], code) == (None, None, "?", 0)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_was_resubmitted_before_ctrl_c_is_told(monkeypatch, options):
    fail()
    fail()

    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(failure_kinds.resubmit_slowly, "__defaults__", (interrupt,))
    out = StringIO()
    with pytest.raises(KeyboardInterrupt):
        call_command("qfail", "--resubmit", KIND, "--rate", "1", *options, stdout=out)

    text = out.getvalue()
    assert len(json.loads(text)) == 1 if options else text.endswith("1 resubmitted, 0 not.\n")
