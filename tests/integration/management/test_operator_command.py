"""What the commands of people and scripts have in common: errors, time limits, and their ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, OutputWrapper
from django.db import OperationalError, connection

from django_q.management import operator_command
from django_q.management.operator_command import OperatorCommand, time_limit
from tests.integration.management.test_commands import nobody  # noqa: F401

pytestmark = pytest.mark.django_db
TASK_ID = "a" * 32


def refuse(*args):
    raise OperationalError("no such table: django_q_task")


@pytest.mark.parametrize(
    ("command", "code"),
    [("qcancel a", 2), ("qcancel --group g", 2), ("qcancel --queue q", 2), ("qpause", 1),
     ("qresume", 2), ("qlogs -f a", 2)],
)  # fmt: skip
def test_an_order_without_its_server_is_an_error_in_a_line(nobody, command, code):  # noqa: F811
    with pytest.raises(CommandError, match=r"refused.* Does the server run") as failure:
        call_command(*command.split(), stdout=StringIO())

    assert failure.value.returncode == code


@pytest.mark.parametrize(
    ("command", "code"),
    [("qlogs a", 2), ("qmark v1", 1), ("qschedules", 1), ("qtasks", 2), ("qfail", 2),
     ("qcancel a", 2)],
)  # fmt: skip
def test_a_database_that_is_not_migrated_is_an_error_that_says_so(command, code):
    with connection.execute_wrapper(refuse), pytest.raises(CommandError) as failure:
        call_command(*command.split(), stdout=StringIO(), stderr=StringIO())

    assert str(failure.value).endswith("run manage.py migrate.")
    assert failure.value.returncode == code


class Hanging(OperatorCommand):
    requires_system_checks = ()

    def handle(self, *args, **options):
        time.sleep(60)


def test_a_server_that_hangs_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(operator_command, "COMMAND_SECONDS", 0.05)

    with pytest.raises(CommandError, match=r"no answer came in 0\.05 seconds"):
        call_command(Hanging())


def test_a_command_in_a_thread_has_no_limit():
    from concurrent.futures import ThreadPoolExecutor

    def limited():
        with time_limit(0.01):
            time.sleep(0.03)
        return "ended"

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(limited).result(30) == "ended"


def test_a_reader_that_goes_away_ends_a_command_without_a_word():
    settings = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DJANGO_Q_TEST_DATABASE": "sqlite"}
    environment = {**os.environ, **settings}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "django", "qinfo", "--config"]
        ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment)
    finally:
        os.close(writer)

    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError, None)])
def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch, error, code):
    monkeypatch.setattr(Hanging, "handle", BaseCommand.handle)
    command = Hanging()
    command._called_from_command_line = code is not None

    with pytest.raises(SystemExit if code else error) as end, command.quiet_ends():
        raise error

    assert getattr(end.value, "code", None) == code


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "9" * 5000])
def test_a_port_that_there_is_not_is_refused_at_the_start(port):
    with pytest.raises(CommandError, match="expected a TCP port from 1 to 65535"):
        call_command("qcluster", f"--metrics-port={port}")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_limit_that_is_none_is_refused(seconds):
    with pytest.raises(CommandError, match="expected a number above 0"):
        call_command("qdoctor", f"--timeout={seconds}")


def test_a_foreign_name_forges_no_line_and_does_not_reach_the_terminal(broker):
    out = StringIO()

    with pytest.raises(SystemExit):  # as for each that is unknown
        call_command("qcancel", "a\x1b[2J\nb: removed", stdout=out)

    assert out.getvalue() == "a\\x1b[2J\\nb: removed: unknown\n"


def test_what_was_wrong_stays_in_its_line_too():
    command, errors = OperatorCommand(), StringIO()
    command.stderr = OutputWrapper(errors)

    command.write_error("a\nb")

    assert errors.getvalue() == "a\\nb\n"
