"""The command, asked by the client of the package mcp."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest
from django.core.management import CommandError, call_command

from django_q.brokers import get_broker
from django_q.foreign_code.optional_packages import optional
from django_q.mcp import server
from django_q.models import Task
from django_q.tasks import async_task, fetch
from tests.tasks import raise_error

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]

READING_TOOLS = {"doctor", "clusters", "queues", "failures", "task", "schedules"}


def talk(server, *calls):
    """Call tools of a server; returns the names of all its tools, and the answers."""

    async def conversation():
        async with optional("mcp").Client(server, read_timeout_seconds=60) as client:
            tools = await client.list_tools()
            results = [await client.call_tool(name, arguments) for name, arguments in calls]
            return {tool.name for tool in tools.tools}, results

    names, results = asyncio.run(conversation())
    return names, [
        result.content[0].text if result.is_error else json.loads(result.content[0].text)
        for result in results
    ]


def command(*arguments):
    """Describe how the command is started, as an assistant does it."""
    passed = ("DJANGO", "PYTHON", "TMPDIR")
    environment = {key: value for key, value in os.environ.items() if key.startswith(passed)}
    return optional("mcp").StdioServerParameters(
        command=sys.executable,
        args=["-m", "django", "qmcp", *arguments],
        env={**environment, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=os.getcwd(),
    )


@pytest.fixture
def failed(make_broker, run_once):
    broker = make_broker("orm")
    task_id = async_task(raise_error, password="hunter2", broker=broker)
    run_once(broker)
    return task_id


def test_an_assistant_that_may_looks_at_a_failure_resubmits_it_and_cancels_it(failed, run_once):
    names, (doctor, kinds, task, again, cancelled, unknown) = talk(
        command("--allow", "resubmit,cancel"),
        ("doctor", {}),
        ("failures", {}),
        ("task", {"task_id": failed}),
        ("resubmit", {"task_id": failed}),
        ("cancel", {"task_id": failed, "reason": "by mistake"}),
        ("resubmit", {"task_id": "0" * 32}),
    )

    assert names == READING_TOOLS | {"resubmit", "cancel"}
    assert "no-cluster" in json.dumps(doctor)
    assert kinds["kinds"][0]["sample_id"] == failed
    assert "TypeError" in task["traceback"]
    assert "hunter2" not in task["kwargs"]
    assert again == {"found": True, "id": failed}
    assert cancelled == {"outcome": "removed"}
    assert unknown == {"found": False}
    run_once(get_broker())
    row = Task.objects.get(pk=failed)
    assert "by mistake" in row.result
    assert "an assistant (qmcp)" in row.result


def test_an_assistant_that_was_allowed_nothing_can_only_look(failed):
    names, (refused,) = talk(server.make_server(), ("resubmit", {"task_id": failed}))

    assert names == READING_TOOLS
    assert "resubmit" in refused
    assert fetch(failed).success is False


def test_an_order_that_is_unknown_and_a_package_that_is_missing_are_said(monkeypatch):
    with pytest.raises(CommandError, match="--allow takes resubmit, cancel; got delete"):
        call_command("qmcp", allow="delete")

    monkeypatch.setattr(server, "mcpserver", None)
    with pytest.raises(CommandError, match=r"pip install 'django-q\[mcp\]'"):
        call_command("qmcp")
