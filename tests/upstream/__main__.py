"""Run Django's own tests of its tasks framework against the backend of this project.

They come from the source distribution of the Django that is installed, and are not kept. What they
ask of the built-in backends alone fails here, and is listed with its reason: the run fails where
anything else does, or where one of those passes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from typing import Any

import django

#: What stands in the tests for the built-in backends, and what takes the place of each.
REPLACEMENTS = {
    r"django\.tasks\.backends\.dummy\.DummyBackend": "tests.upstream.backends.Queued",
    r"django\.tasks\.backends\.immediate\.ImmediateBackend": "tests.upstream.backends.Inline",
    r"from django\.tasks\.backends\.dummy import DummyBackend": (
        "from tests.upstream.backends import Queued as DummyBackend"
    ),
    r"from django\.tasks\.backends\.immediate import ImmediateBackend": (
        "from tests.upstream.backends import Inline as ImmediateBackend"
    ),
    # The queue and the results are in a database.
    r"import SimpleTestCase, TransactionTestCase": "import TransactionTestCase",
    r"\bSimpleTestCase\b": "TransactionTestCase",
}
READS_IN_COROUTINE = "it reads results in a coroutine without await, which no database allows"
#: Tests that can not pass, and why.
EXPECTED_FAILURES = {
    "DummyBackendTestCase.test_enqueue_task_async": READS_IN_COROUTINE,
    "DummyBackendTestCase.test_refresh_result": "it changes a stored result in place",
    "DummyBackendTestCase.test_refresh_result_async": READS_IN_COROUTINE,
    "DummyBackendTransactionTestCase.test_doesnt_wait_until_transaction_commit_by_default": (
        "a task is enqueued when the transaction commits"
    ),
    "ImmediateBackendTestCase.test_cannot_get_result": "results can be read",
    "ImmediateBackendTestCase.test_cannot_pass_run_after": "run_after is served",
    "ImmediateBackendTestCase.test_cannot_refresh_result": "results can be read",
    "TaskTestCase.test_enqueue_task_async": READS_IN_COROUTINE,
    "TaskTestCase.test_refresh_result": READS_IN_COROUTINE,
}


def main() -> int:
    """Download the tests, run them, and return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetch_tests(folder)
        sys.path.insert(0, str(folder))
        outcome = run(folder)
    failed = {test_name(test) for test, _ in (*outcome.failures, *outcome.errors)}
    unexpected, passed = failed - EXPECTED_FAILURES.keys(), EXPECTED_FAILURES.keys() - failed
    for test in sorted(failed - unexpected):
        print(f"fails, as {EXPECTED_FAILURES[test]}: {test}")
    for test in sorted(unexpected):
        print(f"FAILS: {test}")
    for test in sorted(passed):
        print(f"PASSES, and was to fail: {test}")
    print(f"{outcome.testsRun} tests, {len(failed)} of them fail")
    return bool(unexpected or passed)


def fetch_tests(folder: Path) -> None:
    """Download the source distribution, and take the tests of the framework from it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", "Django", f"Django=={django.__version__}", "--dest", str(folder)]
    subprocess.run(command, check=True)
    (archive,) = folder.glob("*.tar.gz")
    (folder / "tasks").mkdir()
    with tarfile.open(archive) as source:
        for member in source.getmembers():
            match = re.fullmatch(r"[^/]+/tests/tasks/(\w+\.py)", member.name)
            if match and (file := source.extractfile(member)):
                (folder / "tasks" / match[1]).write_text(adapted(file.read().decode()))


def adapted(text: str) -> str:
    """Put the backends of this project in the place of the built-in ones."""
    for pattern, replacement in REPLACEMENTS.items():
        text = re.sub(pattern, replacement, text)
    return text


def run(folder: Path) -> unittest.TestResult:
    """Run the tests with Django's runner, on a database of their own."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.upstream.settings"
    os.environ["UPSTREAM_DATABASE"] = str(folder / "test.sqlite3")
    django.setup()
    from django.test.runner import DiscoverRunner

    outcomes: list[Any] = []

    class Runner(DiscoverRunner):
        def suite_result(self, suite: Any, result: Any, **kwargs: Any) -> int:
            outcomes.append(result)
            return 0

    Runner(verbosity=0, interactive=False).run_tests(["tasks"])
    return outcomes[0]


def test_name(test: Any) -> str:
    """Name a test by its class and method; a part of one by that."""
    test = getattr(test, "test_case", test)
    return f"{type(test).__name__}.{test._testMethodName}"


if __name__ == "__main__":
    sys.exit(main())
