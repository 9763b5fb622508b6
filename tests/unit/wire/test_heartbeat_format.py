"""Which values are heartbeats, and what is read of them."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone

import pytest

from django_q.conf import Conf
from django_q.monitor import check, get_ids, info, info_json
from django_q.signing import SignedPackage
from django_q.status import Stat, Status
from django_q.terminal.cluster_screen import ClusterScreen
from django_q.terminal.memory_screen import MemoryScreen
from django_q.wire.package import new_package
from tests.heartbeats import CLUSTER_ID, make_stat
from tests.unpickling import FolderMaker

pytestmark = pytest.mark.django_db


def a_package(**values):
    """Make a task as a producer signs it."""
    return {**new_package("tests.tasks.nothing", (), {}, {}), **values}


HOUR = timedelta(hours=1)


#: A task that runs.
RUN = {"pid": 7, "id": "a", "name": "n", "func": "f", "group": "g",
       "attempt": 1, "since": 1.5, "seconds": 2.5}  # fmt: skip

#: What may be put in the place of a heartbeat, signed and all.
NONE = {
    "a task": a_package,
    "a task with the keys of a heartbeat": lambda: {**make_stat().as_dict(), **a_package(pid=1)},
    "a word": lambda: "surprise",
    "an empty dictionary": dict,
    "an old heartbeat": lambda: make_stat(timestamp=datetime.now(timezone.utc) - HOUR),
    "an old heartbeat without a zone": lambda: make_stat(timestamp=datetime.now() - HOUR),
    "no time": lambda: make_stat(timestamp=None),
    "a list": lambda: [make_stat()],
    **{
        f"{name}={value!r:.20}": lambda name=name, value=value: make_stat(**{name: value})
        for name, value in {
            "host": 5,
            "queue": None,
            "pid": -1,
            "tob": "today",
            "timestamp": 12,
            "sentinel": 10**30,
            "workers": None,
            "pusher": "x",
            "task_q_size": [],
            "done_q_size": True,
            "reincarnations": 1.5,
            "cluster_id": ["x"],
            "status": 7,
            "name": "x" * 100_000,
        }.items()
    },
    "no pids": lambda: make_stat(workers=["seven"]),
    "no running task": lambda: make_stat(current=[5]),
    "a running task with too little": lambda: make_stat(current=[(1, "a")]),
    "a running task for ever": lambda: make_stat(current=[(1, "a", "b", float("inf"))]),
    "a running task that is none": lambda: make_stat(running=[5]),
    "no list of running tasks": lambda: make_stat(running={}),
    "a running task without an id": lambda: make_stat(running=[{**RUN, "id": None}]),
    "a running task of which little is told": lambda: make_stat(running=[{"id": "a"}]),
    "a running task since ever": lambda: make_stat(running=[{**RUN, "since": float("nan")}]),
    "a running task with half an attempt": lambda: make_stat(running=[{**RUN, "attempt": 1.5}]),
}


@pytest.mark.parametrize("serializer", ["pickle", "json"])
@pytest.mark.parametrize("kind", NONE)
def test_what_is_no_heartbeat_is_passed_over_and_the_others_are_shown(
    memory, conf, kind, serializer
):
    conf(serializer=serializer, name="shop")
    value = NONE[kind]()
    if serializer == "json":
        value = json.loads(json.dumps(value, default=vars_of))
    for stranger in ("ant", "zebra"):
        make_stat(cluster_id=stranger, host=stranger).save(memory)
    key = Stat.get_key(CLUSTER_ID)
    memory.stats[key] = SignedPackage.dumps(value)

    assert [stat.host for stat in Stat.get_all(memory)] == ["ant", "zebra"]
    assert Stat.get(5, CLUSTER_ID, memory).status == Conf.STOPPED
    assert all("zebra" in told(memory, option) for option in ("--json", "--ids"))
    assert all(told(memory, option) for option in ("--check", ""))
    draw_screens(memory)


def vars_of(value):
    """Write what JSON can not, as far as the values of a heartbeat go."""
    return vars(value) if isinstance(value, Status) else str(value)


def told(memory, option):
    """Run qinfo on a broker."""
    out = io.StringIO()
    tell = {"--json": info_json, "--ids": get_ids, "--check": check, "": info}
    tell[option](memory, out=out)
    return out.getvalue()


def draw_screens(memory):
    """Draw what qmonitor and qmemory show."""
    for screen in (ClusterScreen(memory), MemoryScreen(memory, workers=True)):
        for width in (80, 200):
            screen.frame(width).rows()


@pytest.mark.parametrize("payload", ["", "junk", b"\xff\xfe", "\udc80", 5, None, [], "x" * 10_000])
def test_junk_beside_heartbeats_is_passed_over(memory, payload):
    make_stat().save(memory)
    memory.stats[Stat.get_key("junk")] = payload

    assert [stat.cluster_id for stat in Stat.get_all(memory)] == [CLUSTER_ID]
    assert Stat.get("junk", broker=memory).status == Conf.STOPPED


def test_a_task_in_the_place_of_a_heartbeat_is_not_unpickled(memory, tmp_path):
    package = a_package(args=(FolderMaker(tmp_path / "unpickled"),))
    memory.stats[Stat.get_key(1)] = SignedPackage.dumps(package)

    assert Stat.get_all(memory) == []
    assert not (tmp_path / "unpickled").exists()


def test_a_terminal_gets_nothing_but_text_of_a_heartbeat(memory):
    make_stat(host="a\x1b[2J\n", current=[(7, "n\n", "f\x1b", 1.5)]).save(memory)

    (stat,) = Stat.get_all(memory)

    assert (stat.host, stat.current) == ("a?[2J?", [(7, "n?", "f?", 1.5)])


def test_of_a_running_task_no_more_is_read_than_is_known_and_texts_are_printable(memory):
    make_stat(running=[{**RUN, "name": "n\n", "progress": 5}]).save(memory)

    (stat,) = Stat.get_all(memory)

    assert stat.running == [{**RUN, "name": "n?"}]


@pytest.mark.parametrize(
    ("more", "read"),
    [
        ({"done": 3, "total": 12, "note": "reading"}, {"done": 3, "total": 12, "note": "reading"}),
        ({"done": 5 * 2**40, "total": 0.5}, {"done": 5 * 2**40, "total": 0.5}),
        ({"cancelled": "cancelled by anna"}, {"cancelled": "cancelled by anna"}),
        ({"done": float("nan"), "total": -1, "note": 5, "cancelled": None}, {}),
        ({"done": "3", "total": True, "note": "a\x1b[31m"}, {"note": "a?[31m"}),
        ({"done": 2**60, "of_a_later_release": 1}, {}),
    ],
)
def test_what_a_running_task_tells_is_read_where_it_means_something(memory, more, read):
    stat = make_stat(running=[{**RUN, **more}])

    stat.save(memory)

    assert Stat.get_all(memory)[0].running == [{**RUN, **read}]
