"""A task function is enqueued, with its options, in each way in which calls are made."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from django_q.exceptions import FunctionRefused, PackageError
from django_q.signals import pre_enqueue, pre_execute
from django_q.signing import SignedPackage
from django_q.tasks import (
    AsyncTask,
    Chain,
    Iter,
    async_batch,
    async_chain,
    async_iter,
    async_task,
    fetch,
    result,
    result_group,
    schedule,
    task,
)
from tests import task_functions
from tests.task_functions import (
    Shop,
    by_path,
    echo,
    fail,
    greedy,
    hooked,
    increased_twice,
    multiply,
    send,
    task_below,
    wait_and_multiply,
)

pytestmark = pytest.mark.django_db(transaction=True)

SEND = "tests.task_functions.send"
#: The options of ``send`` as they travel.
OPTIONS = {"retries": 3, "timeout": 20, "group": "mails", "hook": "tests.task_functions.note"}


def packages(broker: Any) -> list[dict[str, Any]]:
    """Take the packages that wait in a broker."""
    return [SignedPackage.loads(d.payload) for d in broker.dequeue(limit=100, wait=0)]


def sent(broker: Any) -> tuple[Any, ...]:
    """Take the one package that waits: its function, its arguments, and its options."""
    (package,) = packages(broker)
    required = ("id", "name", "started")
    func, args, kwargs = (package.pop(name) for name in ("func", "args", "kwargs"))
    return func, args, kwargs, {key: package[key] for key in package if key not in required}


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_cluster_calls_the_function(broker, run_all):
    ids = [
        multiply.enqueue(3),
        multiply.enqueue(3, y=4),
        wait_and_multiply.enqueue(3, 5),
        increased_twice.enqueue(2),
        Shop.close.enqueue("tea"),
        by_path.enqueue(1, x=2),
        echo.enqueue(),
    ]
    run_all(broker)

    assert [result(task_id) for task_id in ids] == [
        *(6, 12, 15, 6, "tea is closed", ((1,), {"x": 2}), ((), {})),
    ]


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_what_travels_is_the_path_and_the_options(broker, conf, serializer):
    conf(serializer=serializer)

    send.enqueue("ann", token="x")

    func, args, kwargs, options = sent(broker)
    assert (func, list(args), kwargs) == (SEND, ["ann"], {"token": "x"})
    assert options == OPTIONS


def test_using_replaces_options_and_none_removes_them(broker):
    send.using(retries=None, group="others", priority=5, expires=timedelta(hours=1)).enqueue("ann")

    rest = {"timeout": 20, "hook": OPTIONS["hook"]}
    assert sent(broker)[3] == {**rest, "group": "others", "priority": 5, "expires": 3600}


def test_arguments_with_the_names_of_all_options_are_the_functions_own(broker, run_all):
    given = dict.fromkeys(inspect.signature(greedy).parameters, 1)
    assert {"self", "func", "q_options", "group", "sync", "broker", "priority"} <= given.keys()

    async def enqueue() -> str:
        return await greedy.aenqueue(**given)

    ids = [greedy.enqueue(**given), async_to_sync(enqueue)()]
    run_all(broker)

    assert [result(task_id) for task_id in ids] == [given, given]
    assert fetch(ids[0]).group == "greedy"
    assert greedy(**given) == given


def test_it_is_enqueued_from_a_coroutine(broker):
    task_id = async_to_sync(send.aenqueue)("ann")

    (package,) = packages(broker)
    assert (package["id"], package["func"]) == (task_id, SEND)


def test_items_are_mapped(broker, run_all):
    task_id = multiply.map([1, (2, 3), 4])
    run_all(broker)

    assert result(task_id) == [2, 6, 8]


ENQUEUED_IN = [
    lambda: async_task(send, "ann"),
    lambda: AsyncTask(send, "ann").run(),
    lambda: async_batch([(send, ("ann",))]),
    lambda: async_task(send.using(timeout=20), "ann"),
    lambda: async_task(task(SEND, **OPTIONS), "ann"),
]


@pytest.mark.parametrize("call", ENQUEUED_IN)
def test_its_options_hold_wherever_the_object_is_given(broker, call):
    call()

    func, args, kwargs, options = sent(broker)
    assert (func, args, kwargs) == (SEND, ("ann",), {})
    assert {name: options.get(name) for name in OPTIONS} == OPTIONS


def test_the_options_of_a_call_override_its_own(broker):
    async_task(send, "ann", group="own", q_options={"retries": 1})

    assert sent(broker)[3] == {**OPTIONS, "group": "own", "retries": 1}


def test_they_do_not_hold_where_its_path_is_given(broker):
    async_task(SEND, "ann")

    assert sent(broker) == (SEND, ("ann",), {}, {})


def test_the_items_of_an_iterable_have_its_options(broker, run_all):
    ids = [send.map(["ann", "bob"]), async_iter(send, ["ann", "bob"])]

    assert [(each["retries"], each["iter_group"]) for each in packages(broker)] == [
        (3, "mails")
    ] * 4
    assert len(set(ids)) == 2


def test_the_links_of_a_chain_have_their_options(broker, run_all):
    group = async_chain([(multiply, (2,)), (send, ("ann",), {"group": None}), multiply.using()])

    (package,) = packages(broker)
    assert package["func"] == "tests.task_functions.multiply"
    (func, args, kwargs), last = package["chain"]
    assert (func, args) == (SEND, ("ann",))
    assert kwargs == {"q_options": {**OPTIONS, "group": None}}
    assert last == ("tests.task_functions.multiply", (), {"q_options": {}})
    assert group


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_a_chain_of_them_runs_to_its_end(broker, run_all):
    Chain([(multiply, (2,)), (multiply.using(save=True), (3,)), (multiply, (4,))], group="c").run()
    async_task(multiply, 5, chain=[(multiply, (6,))], group="c")
    run_all(broker)

    assert sorted(result_group("c")) == [4, 6, 8, 10, 12]


def test_it_is_a_hook(broker, run_all):
    hooked.clear()

    ids = [send.enqueue("ann"), async_task(multiply, 3, hook=task_functions.note)]
    run_all(broker)

    assert [each.id for each in hooked] == ids


def test_a_failure_has_the_traceback_of_the_function_alone(broker, run_all):
    task_id = fail.using(retries=None, retry_delay=None).enqueue()
    run_all(broker)

    text = result(task_id)
    assert "ValueError: as asked" in text
    assert "task_function.py" not in text


def test_it_is_run_here_with_sync(broker):
    assert result(multiply.using(sync=True).enqueue(4)) == 8


def test_receivers_get_the_path_and_the_function(broker, run_all):
    got: list[Any] = []

    def before(sender, task, **kwargs):
        got.append(task["func"])

    def execute(sender, func, task, **kwargs):
        got.append(func)

    pre_enqueue.connect(before)
    pre_execute.connect(execute)
    try:
        multiply.enqueue(3)
        run_all(broker)
    finally:
        pre_enqueue.disconnect(before)
        pre_execute.disconnect(execute)

    assert got == ["tests.task_functions.multiply", multiply.target]


def test_a_receiver_may_put_one_into_a_package(broker):
    def replace(sender, task, **kwargs):
        task["func"] = multiply

    pre_enqueue.connect(replace)
    try:
        send.enqueue("ann")
    finally:
        pre_enqueue.disconnect(replace)

    assert sent(broker)[0] == "tests.task_functions.multiply"


def local_function() -> Any:
    """Make a task function that no worker can find."""

    @task
    def local() -> None:
        """Do nothing."""

    return local


@pytest.mark.parametrize(
    "func",
    [local_function(), task(lambda: None), task_below.__wrapped__, task(Shop().close.__init__)],
)
def test_what_is_not_found_by_its_name_is_refused_at_the_call(func):
    for call in (func.enqueue, lambda: async_task(func), lambda: schedule(func)):
        with pytest.raises(PackageError, match="must be importable by name"):
            call()


def test_a_function_of_the_script_that_runs_is_refused(monkeypatch):
    script = task(task_functions.make_greedy_function())
    monkeypatch.setattr(script, "__module__", "__main__")

    with pytest.raises(PackageError, match=r"is in the script that runs here: move it to a module"):
        script.enqueue()


def test_only_listed_functions_may_run(broker, conf, run_all):
    conf(functions=["tests.task_functions.*"])

    ids = [multiply.enqueue(3), Shop.close.enqueue("tea")]
    for refused in (echo.enqueue, lambda: async_task("tests.task_functions.echo")):
        with pytest.raises(FunctionRefused):
            refused()
    run_all(broker)

    assert [result(each) for each in ids] == [6, "tea is closed"]


def test_a_batch_chooses_the_queue_of_its_calls(broker):
    remote = multiply.using(cluster="other", priority=1)

    with pytest.raises(PackageError, match="'cluster' is an option of the batch"):
        async_batch([(remote, (1,))])
    async_batch([(remote.using(cluster=None), (1,))])

    assert [each["priority"] for each in packages(broker)] == [1]


def test_the_options_of_a_batch_come_before_those_of_its_functions(broker):
    calls = [(send, ("ann",)), (send, ("bob",), {"group": "own"}), (multiply, (1,))]

    async_batch(calls, group="all", q_options={"retries": 1, "timeout": None})

    found = [(each["group"], each["retries"], each.get("timeout")) for each in packages(broker)]
    assert found == [("all", 1, 20), ("own", 1, 20), ("all", 1, None)]


def test_the_links_of_a_chain_are_in_its_group(broker, run_all):
    chain = Chain([(send, ("ann",)), send.using(retries=None), (multiply, (3,))])
    chain.chain[1] = (chain.chain[1], ("bob",))

    chain.run()
    run_all(broker)

    assert chain.result(wait=60_000) == ["sent to ann", "sent to bob", 6]
    assert [each.options["timeout"] for each in chain.fetch()[:2]] == [20, 20]


def test_objects_of_calls_have_its_options_and_read_its_results_where_they_are(broker, run_all):
    cached = multiply.using(cached=True, group="cached")
    call, each = AsyncTask(cached, 3), Iter(cached, [1, 2])
    call.run()
    each.run()
    run_all(broker)

    assert (call.group, call.cached, call.result(), call.fetch().id) == ("cached", True, 6, call.id)
    assert each.result() == [2, 4]
