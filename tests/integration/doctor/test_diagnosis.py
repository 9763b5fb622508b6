"""All subjects together: what raises or hangs, and what is not examined for it."""

from __future__ import annotations

import json
import threading

import pytest
from django.core.management import call_command

from django_q.conf import Conf
from django_q.doctor.diagnosis import Subject, diagnose
from django_q.doctor.findings.finding import error, info, warning
from tests.heartbeats import make_stat

pytestmark = pytest.mark.once


def raising():
    yield warning("before", "Seen before it.", "Nothing.")
    raise SystemExit("a module that ends the process")


def test_a_subject_that_raises_is_a_finding_and_the_others_are_examined():
    diagnosis = diagnose([Subject("first", raising), Subject("second", lambda: [info("b", "B.")])])

    assert [finding.id for finding in diagnosis.findings] == ["subject-failed", "b"]
    assert "a module that ends the process" in diagnosis.findings[0].found


def test_a_subject_that_hangs_is_a_finding_and_what_needs_its_server_is_not_examined():
    freed = threading.Event()
    subjects = [
        Subject("broker", lambda: [freed.wait(60)]),
        Subject("queues", lambda: 1 / 0, ("broker",)),
        Subject("letters", lambda: 1 / 0, ("queues",)),
    ]

    diagnosis = diagnose(subjects, seconds=0.05)
    freed.set()

    assert [finding.id for finding in diagnosis.findings] == ["subject-slow"]
    assert [each.skipped_for for each in diagnosis.examined] == ["", "broker", "queues"]


@pytest.mark.parametrize(
    ("make", "is_strict", "code"),
    [(error, False, 1), (warning, False, 0), (warning, True, 1), (info, True, 0)],
)
def test_the_exit_code_tells_of_errors_and_strictly_of_warnings(make, is_strict, code):
    diagnosis = diagnose([Subject("one", lambda: [make("a", "A.", "B.")])])

    assert diagnosis.exit_code(is_strict) == code


@pytest.mark.django_db(transaction=True)
def test_a_project_that_is_well_has_no_error(broker, conf):
    conf(timeout=30)
    make_stat(host="ant").save(broker)

    diagnosis = diagnose()

    assert [each for each in diagnosis.findings if each.level == "error"] == []
    assert [each.skipped_for for each in diagnosis.examined] == [""] * len(diagnosis.examined)


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_each_finding_with_its_cure_and_ends_with_a_code(capsys, conf):
    conf(redis="redis://127.0.0.1:1/0")

    with pytest.raises(SystemExit) as ended:
        call_command("qdoctor")

    printed = capsys.readouterr().out
    assert ended.value.code == 1
    assert "ERROR broker-unreachable" in printed
    assert "Cure: Does the server run" in " ".join(printed.split())
    assert "not examined: see broker" in printed
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_json(capsys, conf):
    conf(redis="redis://127.0.0.1:1/0")

    with pytest.raises(SystemExit):
        call_command("qdoctor", json=True)

    told = json.loads(capsys.readouterr().out)
    subjects = {each["name"]: each for each in told["subjects"]}
    assert (told["name"], told["errors"]) == (Conf.PREFIX, 1)
    assert subjects["queues"]["skipped_for"] == "broker"
    assert subjects["broker"]["findings"][0]["id"] == "broker-unreachable"
    assert subjects["broker"]["findings"][0]["cure"]
