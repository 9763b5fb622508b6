"""Error reporters: found by entry point, and told of the exceptions of tasks."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from django_q.checks import check_q_cluster
from django_q.execution import execution
from django_q.execution.execution import execute
from django_q.foreign_code.error_reporting import ENTRY_POINT_GROUP, load_reporters
from django_q.wire.package import new_package

#: A plug-in as that for Sentry: it looks for the task in the frames of the traceback.
PLUGIN = """
import sys

heard = []

class Sentry:
    def __init__(self, **kwargs):
        self.kwargs = kwargs

    def report(self):
        frame = sys.exc_info()[2]
        while frame.tb_next:
            frame = frame.tb_next
        frame, found = frame.tb_frame, {}
        while frame:
            task = frame.f_locals.get("task")
            if isinstance(task, dict) and task.get("id") and task.get("func"):
                found = {key: task[key] for key in ("id", "name", "func")}
            frame = frame.f_back
        heard.append((self.kwargs, found))

Rollbar = Sentry
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list]]:
    """Install a plug-in that declares no entry point; gives what it has heard."""

    def install(name: str) -> list:
        (tmp_path / f"{name}.py").write_text(PLUGIN)
        monkeypatch.syspath_prepend(tmp_path)
        return import_module(name).heard

    yield install
    for name in ("django_q_sentry", "django_q_rollbar"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["sentry", "rollbar"])
@pytest.mark.parametrize("func", ["math.sqrt", "shop.tasks.gone", "tests.tasks.raise_error"])
def test_a_plugin_of_the_predecessors_hears_of_a_task(plugin, monkeypatch, name, func):
    heard = plugin(f"django_q_{name}")
    monkeypatch.setattr(execution, "error_reporter", load_reporters({name: {"dsn": "there"}}))
    package = new_package(func, (-1,), {}, {})

    execute(package)

    found = {key: package[key] for key in ("id", "name", "func")}
    assert heard == [({"dsn": "there"}, found)]


def test_the_first_of_several_reporters_of_a_name_counts(plugin, tmp_path, monkeypatch):
    plugin("django_q_sentry")
    metadata = tmp_path / "other-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[{ENTRY_POINT_GROUP}]\nsentry = django_q_sentry:Sentry\n"
    )
    assert len(entry_points(group=ENTRY_POINT_GROUP, name="sentry")) > 1

    (reporter,) = load_reporters({"sentry": {}}).targets

    assert type(reporter).__module__ == "django_q_sentry"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"senty": {}}, "No package that is installed provides it"),
        ({"sentry": {}}, "No module named 'django_q_sentry'"),
    ],
)
def test_a_reporter_that_is_not_there_is_named_in_a_line(caplog, options, words):
    with caplog.at_level(logging.ERROR, "django-q"):
        assert load_reporters(options).targets == []

    (record,) = caplog.records
    assert words in record.message
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"senty": {}}, ("django_q.E005", "Did you mean 'sentry'?")),
        ({"sentry": {"dsn": "secret"}}, ("django_q.W007", "pip install django-q-sentry")),
        ({"rollbar": {}}, ("django_q.W007", "pip install django-q-rollbar")),
    ],
)
def test_a_reporter_that_nobody_provides_is_a_check(settings, options, expected):
    settings.Q_CLUSTER = {"error_reporter": options}

    messages = check_q_cluster()

    assert [(message.id, message.hint) for message in messages] == [expected]
    assert "secret" not in str(messages)


def test_a_reporter_that_gets_no_arguments_is_a_check(settings, plugin):
    plugin("django_q_sentry")
    settings.Q_CLUSTER = {"error_reporter": {"sentry": "https://secret"}}

    (message,) = check_q_cluster()

    assert message.id == "django_q.E002"
    assert "secret" not in message.msg
