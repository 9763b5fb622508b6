"""The commands that give orders: what they print, and how they exit."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_q.humanhash import humanize
from django_q.tasks import queue as handle_of
from tests.heartbeats import CLUSTER_ID
from tests.integration.orders.given import TASK_ID, notices_of
from tests.integration.unfinished.queued import beat, put

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(make_broker):
    return make_broker("memory")


def run(command: str, *arguments: str) -> tuple[str, int]:
    """Run a command. Returns what it prints, and its exit code."""
    out, code = StringIO(), 0
    try:
        call_command(command, *arguments, stdout=out)
    except SystemExit as exit_:
        code = exit_.code
    return out.getvalue(), code


def test_ids_are_cancelled_one_by_one(broker):
    put(broker, TASK_ID)
    put(broker, "b" * 32)

    assert run("qcancel", TASK_ID, "b" * 32) == (f"{TASK_ID}: removed\n{'b' * 32}: removed\n", 0)


def test_an_id_that_is_not_found_is_an_exit_code(broker):
    put(broker, TASK_ID)

    assert run("qcancel", TASK_ID, "c" * 32) == (f"{TASK_ID}: removed\n{'c' * 32}: unknown\n", 1)


def test_a_group_or_a_queue_is_cancelled_with_a_reason(broker):
    assert run("qcancel", "--group", "invoices", "--reason", "too late") == (
        "invoices: requested\n",
        0,
    )
    assert run("qcancel", "--queue", broker.list_key)[0] == f"{broker.list_key}: requested\n"

    notices = notices_of(broker)
    assert notices["group:invoices"].endswith(" UTC: too late")
    assert "queue" in notices


@pytest.mark.parametrize("arguments", [[], [TASK_ID, "--group", "g"]])
def test_what_is_to_be_cancelled_must_be_clear(broker, arguments):
    with pytest.raises(CommandError, match="Give ids of tasks, or --group, or --queue"):
        run("qcancel", *arguments)

    assert notices_of(broker) == {}


def test_a_queue_is_paused_and_resumed(broker):
    name = handle_of().name

    assert run("qpause") == (f"The queue {name} is paused for all clusters.\n", 0)
    assert run("qpause", "mail")[0] == "The queue mail is paused for all clusters.\n"
    assert run("qresume") == (f"The queue {name} is not paused.\n", 0)
    assert run("qresume") == (f"The queue {name} is not paused.\n", 1)
    assert run("qresume", "mail")[1] == 0


def test_a_queue_is_paused_for_one_cluster(broker):
    beat(broker)
    name, cluster = handle_of().name, humanize(CLUSTER_ID.hex)
    handle_of().limit(5)
    text = f"The queue {name} is paused for cluster {cluster}, and has a limit of 5.\n"

    assert run("qpause", "--cluster", cluster) == (text, 0)
    assert run("qresume") == (text, 1)
    assert run("qresume", "--cluster", str(CLUSTER_ID)) == (
        f"The queue {name} is not paused, and has a limit of 5.\n",
        0,
    )


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("qcancel", ["x" * 33], "1 to 32 characters"),
        ("qpause", ["a\nb"], "'queue' must be the name of a queue"),
        ("qpause", ["--cluster", "nobody"], "got 'nobody'"),
        ("qresume", ["--cluster", "nobody"], "got 'nobody'"),
    ],
)
def test_what_makes_no_order_is_an_error_that_says_what_came(broker, command, arguments, message):
    with pytest.raises(CommandError, match=message):
        run(command, *arguments)


@pytest.mark.parametrize("command", [["qcancel", TASK_ID], ["qpause"], ["qresume"]])
def test_a_broker_that_takes_no_orders_is_an_error(make_broker, command):
    make_broker("custom")

    with pytest.raises(CommandError, match="Use Redis or a database"):
        run(*command)
