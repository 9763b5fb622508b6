"""Old results are deleted whatever points at them, and what comes of that costs no new one."""

from __future__ import annotations

import itertools
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.models.signals import post_delete, pre_delete
from django.utils import timezone

from django_q.models import Success, Task
from django_q.results import pruning, saving
from tests.integration.results.finished_packages import finished

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = itertools.count()


@pytest.fixture(autouse=True)
def _limit(conf: Callable) -> Iterator[None]:
    conf(save_limit=2)
    pruning.WaitedFor.until = 0.0
    yield
    pruning.WaitedFor.until = 0.0
    pruning.PruningFailures.reset()
    pruning.PruningFailures.refused_ids.clear()
    pruning.PruningFailures.next_log_at = 0.0


@pytest.fixture
def model_with() -> Iterator[Callable[..., type[models.Model]]]:
    """Make a model of a project, with its table: ``model_with(task=ForeignKey(...))``."""
    made: list[type[models.Model]] = []

    def make(has_table: bool = True, **fields: models.Field) -> type[models.Model]:
        meta = type("Meta", (), {"app_label": "auth"})
        body = {"__module__": __name__, "Meta": meta, **fields}
        model = type(f"Invoice{next(COUNT)}", (models.Model,), body)
        if has_table:
            with connection.schema_editor() as editor:
                editor.create_model(model)
            made.append(model)
        names.append(model._meta.model_name)
        return model

    names: list[str] = []
    yield make
    for model in reversed(made):
        with connection.schema_editor() as editor:
            editor.delete_model(model)
    for name in [*apps.all_models["auth"]]:
        if name.startswith("invoice"):
            del apps.all_models["auth"][name]
    apps.clear_cache()


def to_task(on_delete: Any, **options: Any) -> models.ForeignKey:
    return models.ForeignKey(Task, on_delete=on_delete, null=True, **options)


def save_one(n: int) -> None:
    moment = timezone.now() + timedelta(seconds=n)
    saving.save([finished(id=f"{n:032}", result=n, stopped=moment)])


def test_what_has_just_ended_is_kept_while_somebody_waits():
    pruning.WaitedFor.record()
    for number in range(4):
        save_one(number)
    kept = Success.objects.count()

    pruning.WaitedFor.until = 0.0  # nobody does any more
    save_one(4)

    assert (kept, Success.objects.count()) == (4, 2)


@pytest.mark.parametrize("limit_per", [None, "func"])
def test_older_results_are_pruned_while_somebody_waits(conf, limit_per):
    conf(save_limit_per=limit_per)
    pruning.WaitedFor.record()
    for number in range(4):
        save_one(number - 60)

    assert Success.objects.count() == 2


def save_with(model: type[models.Model], last: int = 6) -> None:
    """Save results, the first of them with a row that points at it."""
    save_one(1)
    model.objects.create(task_id=f"{1:032}")
    for n in range(2, last):
        save_one(n)


def kept() -> list[int]:
    return sorted(Success.objects.values_list("result", flat=True))


def test_what_depends_on_an_old_result_is_deleted_with_it(model_with):
    invoice = model_with(task=to_task(models.CASCADE))

    save_with(invoice)

    assert kept() == [4, 5]
    assert invoice.objects.count() == 0


def test_what_points_at_an_old_result_points_at_nothing_later(model_with):
    invoice = model_with(task=to_task(models.SET_NULL))

    save_with(invoice)

    assert kept() == [4, 5]
    assert invoice.objects.get().task_id is None


@pytest.mark.parametrize("on_delete", [models.PROTECT, models.RESTRICT, models.DO_NOTHING])
@pytest.mark.parametrize("per", [None, "func"])
def test_a_result_that_is_protected_stays_and_the_others_are_pruned(
    model_with, conf, caplog, on_delete, per
):
    conf(save_limit_per=per)
    invoice = model_with(task=to_task(on_delete, related_name="+"))

    save_with(invoice)

    assert kept() == [1, 4, 5]
    assert invoice.objects.get().task_id == f"{1:032}"
    assert caplog.text == ""


def test_what_many_results_are_tied_to_is_untied(model_with):
    basket = model_with(tasks=models.ManyToManyField(Task))
    save_one(1)
    basket.objects.create().tasks.add(f"{1:032}")

    for n in range(2, 6):
        save_one(n)

    assert kept() == [4, 5]
    assert basket.objects.get().tasks.count() == 0


def test_a_result_that_is_protected_by_what_depends_on_it_costs_no_other(model_with, caplog):
    invoice = model_with(task=to_task(models.CASCADE))
    line = model_with(invoice=models.ForeignKey(invoice, on_delete=models.PROTECT))
    save_one(1)
    line.objects.create(invoice=invoice.objects.create(task_id=f"{1:032}"))

    for n in range(2, 8):
        save_one(n)

    assert kept() == [1, 6, 7]
    assert caplog.text.count("can not be deleted: ProtectedError") == 1


def test_a_model_whose_table_is_not_there_costs_no_result(model_with, caplog):
    model_with(has_table=False, task=to_task(models.CASCADE))

    for n in range(1, 6):
        save_one(n)

    assert kept() == [1, 2, 3, 4, 5]
    assert caplog.text.count("can not be deleted") == 1


@pytest.mark.parametrize("signal", [pre_delete, post_delete])
@pytest.mark.parametrize("sender", [Task, Success, None])
def test_who_listens_to_deletions_is_told_of_each(signal, sender):
    told = []

    def receive(instance: Task, **kwargs: Any) -> None:
        told.append(instance.result)

    signal.connect(receive, sender=sender)
    try:
        for n in range(1, 6):
            save_one(n)
    finally:
        signal.disconnect(receive, sender=sender)

    assert kept() == [4, 5]
    assert told == [1, 2, 3]


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, KeyboardInterrupt, CancelledError])
def test_what_a_receiver_of_deletions_raises_costs_no_result(caplog, kind):
    def receive(**kwargs: Any) -> None:
        raise kind("as asked")

    pre_delete.connect(receive, sender=Task)
    try:
        for n in range(1, 6):
            save_one(n)
    finally:
        pre_delete.disconnect(receive, sender=Task)

    assert kept() == [1, 2, 3, 4, 5]
    assert caplog.text.count(f"{kind.__name__}: as asked") == 1


@pytest.mark.parametrize("count", [1, 30])
def test_a_table_that_django_does_not_know_may_point_at_results(conf, caplog, count):
    conf(save_limit=count)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE legacy (task varchar(32) REFERENCES django_q_task (id) "
            + ("" if connection.vendor == "mysql" else "DEFERRABLE INITIALLY DEFERRED")
            + ")"
        )
        try:
            save_one(-9)
            cursor.execute("INSERT INTO legacy VALUES (%s)", [f"{-9:032}"])
            for n in range(1, 4):
                packages = [finished(result=100 * n + m) for m in range(count)]
                saving.save(packages)
            found = kept()
        finally:
            cursor.execute("DROP TABLE legacy")

    assert -9 in found
    assert {300 + m for m in range(count)} <= set(found)
    assert "can not be deleted" in caplog.text
