"""Hooks, receivers and values of others, in real clusters: whatever they do, tasks end right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone

from django_q.models import Failure, Success, Task
from django_q.tasks import async_chain, async_iter, async_task, fetch, schedule
from tests.foreign import NAMES
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.disturbances, pytest.mark.timeout(300)]

EITHER_BROKER = pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)


@pytest.fixture
def receive(monkeypatch) -> Callable[[str], None]:
    """Have the clusters of a test connect a receiver: ``post_execute=tests.foreign.x``."""

    def connect(pairs: str) -> None:
        monkeypatch.setenv("DJANGO_Q_TEST_APPS", "tests.foreign.Receivers")
        monkeypatch.setenv("DJANGO_Q_TEST_RECEIVERS", pairs)

    return connect


def words(path: Path) -> Counter:
    """Count the words in a file."""
    return Counter(path.read_text().split()) if path.exists() else Counter()


def is_empty(broker) -> bool:
    """Whether nothing waits or runs."""
    return broker.queue_size() == broker.lock_size() == 0


@EITHER_BROKER
@pytest.mark.parametrize("hook", ["hook_that_raises", "async_hook_that_raises"])
def test_whatever_a_hook_raises_its_monitor_lives(broker, running_cluster, hook):
    cluster = running_cluster(retry=2)
    monitor = cluster.pids("monitor")

    ids = [async_task("tests.tasks.echo", name, hook=f"tests.foreign.{hook}") for name in NAMES]

    wait_until(lambda: Success.objects.filter(id__in=ids).count() == len(ids), 20)
    wait_until(lambda: is_empty(broker), 20)
    for task_id in ids:
        cluster.wait_for(f"return hook tests.foreign.{hook} failed on [{fetch(task_id).name}]")
    assert cluster.pids("monitor") == monitor


@EITHER_BROKER
def test_a_hook_that_ends_the_monitor_costs_no_run_of_a_task(broker, running_cluster, tmp_path):
    path = str(tmp_path / "words")
    cluster = running_cluster(retry=4)
    end = async_task("tests.foreign.leave", path, "end", hook="tests.foreign.end_process")
    others = [
        async_task("tests.foreign.leave", path, f"t{n}", hook="tests.foreign.hook_that_notes")
        for n in range(10)
    ]

    wait_until(lambda: Success.objects.filter(id__in=[end, *others]).count() == 11, 50)
    wait_until(lambda: is_empty(broker), 50)

    found = words(tmp_path / "words")
    assert {word: n for word, n in found.items() if word[0] == "t"} == {
        f"t{n}": 1 for n in range(10)
    }
    assert found["end"] == 1
    assert 1 <= found["ended"] <= 3
    assert found["hook"] >= 10
    assert Failure.objects.count() == 0
    cluster.wait_for(f"in return hook tests.foreign.end_process on [{fetch(end).name}]")


def test_the_hook_of_an_iterable_that_ends_the_monitor_costs_no_run(
    broker, running_cluster, tmp_path
):
    path = str(tmp_path / "words")
    running_cluster(retry=2)
    items = [(path, f"end{n}") for n in range(5)]

    whole = async_iter("tests.foreign.leave", items, hook="tests.foreign.end_anyway")

    wait_until(lambda: Success.objects.filter(id=whole).exists(), 20)
    wait_until(lambda: is_empty(broker), 30)
    found = words(tmp_path / "words")
    assert [found[f"end{n}"] for n in range(5)] == [1] * 5
    assert 1 <= found["ended"] <= 3
    assert fetch(whole).result == [f"end{n}" for n in range(5)]


def test_a_hook_of_three_clusters_is_tried_three_times(broker, running_cluster, tmp_path):
    path = str(tmp_path / "words")
    task_id = async_task("tests.foreign.leave", path, "end", hook="tests.foreign.end_process")

    for times in (1, 2, 3):  # each of them knows nothing of those before
        cluster = running_cluster(retry=1)
        wait_until(lambda times=times: words(tmp_path / "words")["ended"] == times, 20)
        cluster.kill_all()
    cluster = running_cluster(retry=1)

    wait_until(lambda: is_empty(broker), 20)
    cluster.stop()
    assert words(tmp_path / "words") == {"end": 1, "ended": 3}
    assert fetch(task_id).success


def test_many_hooks_that_end_the_monitor_keep_no_other_hook_from_its_call(
    broker, running_cluster, tmp_path
):
    path = str(tmp_path / "words")
    ends, others = [f"end{n}" for n in range(4)], ["one", "other"]
    for word in ends + others:
        async_task("tests.foreign.leave", path, word, hook="tests.foreign.end_or_name")

    running_cluster(retry=2)

    called = {f"hook-of-{word}" for word in others}
    wait_until(lambda: called <= set(words(tmp_path / "words")), 100)
    wait_until(lambda: is_empty(broker), 100)
    found = words(tmp_path / "words")
    assert [found[word] for word in ends + others] == [1] * 6
    assert 4 <= found["ended"] <= 12
    assert Success.objects.count() == 6


def test_a_failure_whose_hook_ends_the_monitor_ends(broker, running_cluster, tmp_path):
    path = str(tmp_path / "words")
    running_cluster(retry=2)

    task_id = async_task("tests.foreign.fail", path, "end", hook="tests.foreign.end_process")

    wait_until(lambda: words(tmp_path / "words")["ended"], 20)
    wait_until(lambda: is_empty(broker), 30)
    assert words(tmp_path / "words")["ended"] <= 3
    assert fetch(task_id).success is False


def test_a_success_that_nobody_saves_runs_twice_at_most(broker, running_cluster, tmp_path):
    path = str(tmp_path / "words")
    running_cluster(retry=2)

    async_task("tests.foreign.leave", path, "end", hook="tests.foreign.end_process", save=False)

    wait_until(lambda: words(tmp_path / "words")["ended"], 20)
    wait_until(lambda: is_empty(broker), 30)
    assert words(tmp_path / "words")["end"] <= 2
    assert Task.objects.count() == 0


def test_a_cached_success_runs_once(broker, running_cluster, tmp_path):
    path = str(tmp_path / "words")
    running_cluster(retry=2)

    async_task("tests.foreign.leave", path, "end", hook="tests.foreign.end_process", cached=60)

    wait_until(lambda: words(tmp_path / "words")["ended"], 20)
    wait_until(lambda: is_empty(broker), 30)
    assert words(tmp_path / "words")["end"] == 1


@pytest.mark.parametrize("signal", ["post_save", "pre_save"])
def test_a_receiver_of_a_row_that_ends_the_monitor_is_left_out(
    broker, running_cluster, tmp_path, receive, signal
):
    receive(f"{signal}=tests.foreign.end_process")
    path = str(tmp_path / "words")
    cluster = running_cluster(retry=2)

    end = async_task("tests.foreign.leave", path, "end")
    other = async_task("tests.foreign.leave", path, "other")

    wait_until(lambda: Success.objects.filter(id__in=[end, other]).count() == 2, 40)
    wait_until(lambda: is_empty(broker), 20)
    assert words(tmp_path / "words")["ended"] <= 3
    assert words(tmp_path / "words")["end"] <= 3
    assert Failure.objects.count() == 0
    cluster.wait_for(f"in the receivers of the signals of Task on [{fetch(end).name}]")


def test_a_receiver_of_a_link_that_ends_the_monitor_fails_the_link(
    broker, running_cluster, tmp_path, receive
):
    receive("pre_enqueue=tests.foreign.end_process")
    path = str(tmp_path / "words")
    running_cluster(retry=2)

    group = async_chain(
        [("tests.foreign.leave", (path, "first")), ("tests.foreign.leave", (path, "end"))]
    )

    wait_until(lambda: Failure.objects.filter(group=group).exists(), 30)
    wait_until(lambda: is_empty(broker), 20)
    assert words(tmp_path / "words")["first"] == 1
    assert words(tmp_path / "words")["end"] == 0
    assert Success.objects.filter(group=group).count() == 1
    assert "receiver tests.foreign.end_process of pre_enqueue" in Failure.objects.get().result


def test_a_receiver_that_ends_the_worker_costs_no_success(
    broker, running_cluster, tmp_path, receive
):
    receive("post_execute_in_worker=tests.foreign.end_process")
    path = str(tmp_path / "words")
    running_cluster(retry=2)

    end = async_task("tests.foreign.leave", path, "end")

    wait_until(lambda: Task.objects.filter(id=end).exists(), 30)
    wait_until(lambda: is_empty(broker), 20)
    assert fetch(end).success
    assert "receiver tests.foreign.end_process of post_execute_in_worker" in fetch(end).result
    assert words(tmp_path / "words") == {"end": 1, "ended": 1}


def test_a_result_whose_pickle_ends_the_worker_costs_no_success(broker, running_cluster, tmp_path):
    running_cluster(retry=2)

    task_id = async_task("tests.foreign.return_fatal", str(tmp_path / "words"))

    wait_until(lambda: Task.objects.filter(id=task_id).exists(), 30)
    assert fetch(task_id).success
    assert "the pickle of the result" in fetch(task_id).result
    assert words(tmp_path / "words") == {"ran": 1}


def test_what_can_not_be_printed_or_pickled_ends_no_worker(broker, running_cluster):
    cluster = running_cluster()
    workers = set(cluster.pids("worker"))

    failed = async_task("tests.foreign.raise_unspeakable")
    odd = async_task("tests.foreign.return_unpicklable")

    wait_until(lambda: Task.objects.filter(id__in=[failed, odd]).count() == 2, 20)
    assert fetch(failed).success is False
    assert fetch(failed).result.startswith("Unspeakable()")
    assert fetch(odd).success is True
    assert "stored as text, because pickle can not carry it" in fetch(odd).result
    assert set(cluster.pids("worker")) == workers


def test_a_coroutine_hook_is_awaited(broker, running_cluster, tmp_path):
    path = str(tmp_path / "words")
    cluster = running_cluster()

    async_task("tests.foreign.leave", path, "word", hook="tests.foreign.async_hook")

    wait_until(lambda: words(tmp_path / "words")["awaited"] == 1, 20)
    assert "never awaited" not in cluster.log()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("file-\udc80.txt", "file-\\udc80.txt"),
        ("a\x00b", "a\\x00b"),
        ("a\n12:00:00 [Q] INFO forged", "a\\n12:00:00 [Q] INFO forged"),
        ("\x1b[2J\u202eevil", "\\x1b[2J\\u202eevil"),
        ("x" * 5000, "xxx..."),
    ],
)
def test_an_odd_name_neither_fails_a_task_nor_forges_a_line(broker, running_cluster, name, written):
    cluster = running_cluster(workers=1)
    (worker,) = cluster.pids("worker")

    task_id = async_task("time.sleep", 3, task_name=name)

    wait_until(lambda: any(written in line for line in titles(cluster)), 10)
    wait_until(lambda: Task.objects.filter(id=task_id).exists(), 10)
    assert fetch(task_id).success
    cluster.wait_for(f"Processed 'time.sleep' ({written[:3]}")
    assert not any(
        line.startswith("12:00:00 [Q] INFO forged") for line in cluster.log().split("\n")
    )
    assert "\x1b" not in cluster.log()
    assert cluster.pids("worker") == [worker]


def titles(cluster) -> list[str]:
    """List what the processes of a cluster call themselves."""
    return [" ".join(process.cmdline()) for process in cluster.processes()]


def test_a_context_variable_ends_with_its_task(broker, running_cluster):
    running_cluster(workers=1)

    ids = [async_task("tests.foreign.set_variable", str(n)) for n in range(3)]

    wait_until(lambda: Success.objects.filter(id__in=ids).count() == 3, 10)
    assert [fetch(task_id).result for task_id in ids] == ["none"] * 3


def test_a_task_that_uses_up_all_descriptors_keeps_its_long_result(broker, running_cluster):
    running_cluster(workers=1)
    ids = [async_task("tests.foreign.hoard_descriptors", 300_000) for _ in range(2)]

    wait_until(lambda: Task.objects.filter(id__in=ids).count() == 2, 20)

    assert [len(fetch(task_id).result) for task_id in ids] == [300_000] * 2
    assert [fetch(task_id).attempt_count for task_id in ids] == [1, 1]


def test_a_receiver_that_ends_the_scheduler_stops_no_other_schedule(
    broker, running_cluster, tmp_path, receive
):
    receive("pre_enqueue=tests.foreign.end_process")
    path = str(tmp_path / "words")
    now = timezone.now()
    schedule("tests.foreign.leave", path, "end", name="end", next_run=now)
    schedule("tests.foreign.leave", path, "other", name="other", next_run=now)

    cluster = running_cluster(scheduler=True, retry=40)

    wait_until(lambda: words(tmp_path / "words")["other"] == 1, 60)
    assert words(tmp_path / "words")["ended"] <= 3
    cluster.wait_for("in receiver tests.foreign.end_process of pre_enqueue on [")
