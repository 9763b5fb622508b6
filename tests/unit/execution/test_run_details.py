"""What a row says of where a task ran, and of which kind its failure is."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable

import pytest

from django_q.exceptions import PackageError, TimeoutException
from django_q.execution.execution import execute
from django_q.execution.run_details import (
    describe_failure,
    exception_path,
    failure_place,
    is_library_file,
    note_run,
    worker_name,
)
from tests.tasks import raise_error

HERE = __name__


class OddError(Exception):
    """An error of the project."""


def fail(number: int) -> None:
    """Fail at one of two lines."""
    if number:
        raise OddError("one")
    raise OddError("two")


def fail_in_library() -> None:
    """Fail in a function of the standard library."""
    json.loads("{")


def raised(func: Callable, *args: object) -> BaseException:
    """Catch what a function raises."""
    try:
        func(*args)
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


def kind(func: Callable, *args: object) -> str:
    """Return the fingerprint of what a function raises."""
    return describe_failure(raised(func, *args), "shop.tasks.send")["fingerprint"]


@pytest.mark.parametrize(
    ("error", "path"),
    [
        (ValueError, "ValueError"),
        (PackageError, "django_q.exceptions.PackageError"),
        (json.JSONDecodeError, "json.decoder.JSONDecodeError"),
        (OddError, f"{HERE}.OddError"),
    ],
)
def test_an_exception_is_named_by_its_path_and_a_builtin_by_its_name(error, path):
    assert exception_path(error) == path


def test_failures_of_one_function_are_of_one_kind_whatever_their_line_and_text():
    assert kind(fail, 0) == kind(fail, 1)
    assert len(kind(fail, 0)) == 32


def test_failures_of_two_functions_or_classes_are_of_two_kinds():
    assert len({kind(fail, 1), kind(raise_error), kind(fail_in_library)}) == 3


def test_the_place_is_the_last_function_of_the_project_and_not_that_of_a_library():
    assert failure_place(raised(fail_in_library)) == f"{HERE}.fail_in_library"


def test_without_a_function_of_the_project_the_place_is_the_last_one_of_a_library():
    error = raised(json.loads, "{")
    error.__traceback__ = error.__traceback__.tb_next  # without this module

    assert failure_place(error) == "json.decoder.raw_decode"


def run(func: object, *args: object) -> dict:
    """Run a task. Returns its package."""
    package = {"id": "a" * 32, "name": "run", "func": func, "args": args, "kwargs": {}}
    execute(package)
    return package


def test_what_fails_without_any_function_in_python_is_of_the_kind_of_its_task():
    by_root, by_log = run("math.sqrt", -1), run("math.log", -1)

    assert by_root["exception"] == by_log["exception"] == "ValueError"
    assert by_root["fingerprint"] != by_log["fingerprint"]


def test_a_time_limit_is_of_one_kind_wherever_it_comes_and_whoever_ends_the_task():
    end = TimeoutException("Task exceeded its time limit")
    end.ends_task = True

    def reach_limit(depth: int) -> None:
        if depth == 0:
            raise end
        fail_deeper(depth)

    def fail_deeper(depth: int) -> None:
        reach_limit(depth - 1)

    killed = describe_failure(TimeoutException(), "shop.tasks.send")

    assert kind(reach_limit, 0) == kind(fail_deeper, 1) == killed["fingerprint"]
    assert killed["exception"] == "django_q.exceptions.TimeoutException"


@pytest.mark.parametrize(
    ("file", "is_library"),
    [
        ("/srv/shop/tasks.py", False),
        ("/srv/shop/.venv/lib/python3.12/site-packages/requests/api.py", True),
        ("/usr/lib/python3/dist-packages/requests/api.py", True),
        ("C:\\shop\\Lib\\site-packages\\requests\\api.py", True),
        ("<frozen importlib._bootstrap>", True),
        ("<string>", True),
        (json.__file__, True),
        (execute.__code__.co_filename, True),
        (__file__, False),
    ],
)
def test_files_of_packages_of_python_and_of_this_package_are_none_of_the_project(file, is_library):
    assert is_library_file(file) is is_library


def test_code_without_a_module_is_named_by_its_file():
    space: dict = {}
    exec(compile("def fail(): raise KeyError", "/srv/shop/rules.py", "exec"), space)
    del space["__builtins__"]

    assert failure_place(raised(space["fail"])) == "rules.py.fail"


def test_a_process_is_named_by_host_and_pid():
    assert worker_name() == f"{socket.gethostname()}:{os.getpid()}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_process_has_a_name_of_its_own():
    worker_name()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, worker_name().encode())
        os._exit(0)
    os.waitpid(pid, 0)

    assert os.read(reader, 1000).decode() == f"{socket.gethostname()}:{pid}"
    os.close(reader)
    os.close(writer)


def test_when_a_run_began_is_worked_out_from_how_long_it_took():
    first: dict = {}
    second: dict = {}

    note_run(first, 60.0)
    note_run(second, 0.0)

    assert 55 < second["begun"] - first["begun"] < 65
    assert first["worker"] == worker_name()
