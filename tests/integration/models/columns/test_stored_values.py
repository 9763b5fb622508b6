"""How arguments and results are stored: with the JSON serializer, no pickle is written or read."""

from __future__ import annotations

import os
import pickle
from base64 import b64encode
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import post_save
from django.utils import timezone
from picklefield import PickledObjectField

from django_q.calls.resubmission import resubmit
from django_q.execution.pickled_results import with_pickled_values
from django_q.models import Failure, Task, pickle_preview
from django_q.models.columns.stored_values import JSON_MARK, UnopenedPickle
from django_q.results import saving
from django_q.results.rows import unpickled
from django_q.tasks import async_task, fetch, result
from tests import tasks
from tests.integration.results.finished_packages import FEW_AND_MANY, finished
from tests.unpickling import FolderMaker

pytestmark = pytest.mark.django_db

COLUMNS = ("args", "kwargs", "result")


def column(name: str = "result") -> str:
    """Read what the database has in a column of the only task."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {name} FROM django_q_task")
        return cursor.fetchone()[0]


def put(text: str) -> None:
    """Write the column of the only task."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET result = %s", [text])


def pickled(value: Any) -> str:
    """Write a value as the predecessors store it."""
    return b64encode(pickle.dumps(value)).decode()


@FEW_AND_MANY
def test_json_is_stored_where_the_serializer_is_json(conf, count):
    conf(serializer="json")

    saving.save([finished(result={"n": [1, None, "ä\x00\ud800"]}) for _ in range(count)])

    for task in Task.objects.all():
        assert (task.args, task.kwargs) == ([2, 3], {})
        assert task.result == {"n": [1, None, "ä\x00\ud800"]}
    assert [column(name) for name in COLUMNS] == [
        f"{JSON_MARK}[2,3]", f"{JSON_MARK}{{}}", JSON_MARK + r'{"n":[1,null,"\u00e4\u0000\ud800"]}'
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_task_that_ran_is_stored_as_json(conf, broker, run_once):
    conf(serializer="json")
    task_id = async_task(tasks.echo, 1, x={"y": []}, broker=broker)

    run_once(broker)

    assert result(task_id) == [[1], {"x": {"y": []}}]
    assert all(column(name).startswith(JSON_MARK) for name in COLUMNS)


def test_a_task_that_is_saved_through_the_model_is_stored_as_json(conf):
    conf(serializer="json")
    heard = []

    def listener(instance: Task, **_: Any) -> None:
        heard.append(instance)

    post_save.connect(listener, Task)
    try:
        saving.save([finished()])
    finally:
        post_save.disconnect(listener, Task)

    assert len(heard) == 1
    assert column("args") == f"{JSON_MARK}[2,3]"


def test_a_row_of_either_serializer_is_read_after_a_change_to_pickle(conf):
    conf(serializer="json")
    saving.save([finished(id="j" * 32, result={"of": "json"})])
    conf(serializer="pickle")
    saving.save([finished(id="p" * 32, result={"of", "pickle"})])

    assert fetch("j" * 32).result == {"of": "json"}
    assert fetch("p" * 32).result == {"of", "pickle"}


def test_a_pickle_is_not_opened_where_the_serializer_is_json(conf, tmp_path):
    saving.save([finished()])
    put(pickled(FolderMaker(tmp_path / "unpickled")))
    conf(serializer="json")

    task = Task.objects.get()

    assert "stored as a pickle" in task.result
    assert "Q_CLUSTER['serializer']" in task.short_result
    assert list(Task.objects.values_list("result", flat=True)) == [task.result]
    assert not (tmp_path / "unpickled").exists()

    conf(serializer="pickle")
    Task.objects.get()
    assert (tmp_path / "unpickled").exists()  # so that its absence above says something


@pytest.mark.parametrize("stored", ["KGxwMApJMQphSTIKYS4=", "no pickle at all"])
def test_whatever_else_is_in_the_column_is_not_opened_either(conf, stored):
    saving.save([finished()])
    put(stored)
    conf(serializer="json")

    assert isinstance(Task.objects.get().result, UnopenedPickle)


def test_a_pickle_that_was_not_opened_is_kept_when_its_task_is_saved_or_copied(conf):
    saving.save([finished(result={1, 2})])
    before = column()
    conf(serializer="json")

    pickle.loads(pickle.dumps(Task.objects.get())).save()
    dumped = serializers.serialize("json", Task.objects.all())
    Task.objects.all().delete()
    for loaded in serializers.deserialize("json", dumped):
        loaded.save()

    assert column() == before
    conf(serializer="pickle")
    assert Task.objects.get().result == {1, 2}


def test_a_task_whose_arguments_were_not_opened_is_not_submitted_again(conf):
    saving.save([finished()])
    conf(serializer="json")

    with pytest.raises(ValueError, match="can not be read any more"):
        resubmit(Task.objects.get())


class Silent:
    """Can not say what it is."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2030, 1, 1), "datetime.datetime(2030, 1, 1, 0, 0)"),
        ({1: "a key"}, "{1: 'a key'}"),
        (Silent(), "<tests.integration.models.columns.test_stored_values.Silent>"),
    ],
)
def test_arguments_that_the_task_made_into_something_else_are_stored_as_text(conf, value, text):
    conf(serializer="json")

    saving.save([finished(args=(value,)), finished(kwargs=value)])

    assert sorted(map(str, Task.objects.values_list("kwargs", flat=True))) == sorted([text, "{}"])


def test_a_result_that_looks_like_a_pickle_is_opened_by_nobody(conf, tmp_path):
    # The field of the predecessors reads as base64 what it can, and "json" would be an instruction
    # to pass over 0x27CA bytes.
    conf(serializer="json")
    evil = bytes(6 + 0x27CA) + pickle.dumps(FolderMaker(tmp_path / "unpickled"))
    text = b64encode(evil + bytes(-len(evil) % 3)).decode()

    saving.save([finished(result=text)])

    assert PickledObjectField().to_python(column()) == column()
    conf(serializer="pickle")
    assert Task.objects.get().result == text
    assert not (tmp_path / "unpickled").exists()


def test_a_list_shows_json_as_well(conf):
    conf(serializer="json")
    saving.save([finished(success=False, result="ValueError('ö')")])

    assert pickle_preview.read_column(column()) == Failure.objects.get().result == "ValueError('ö')"


def test_text_behind_the_mark_that_is_no_json_is_read_as_text():
    saving.save([finished()])
    put(f"{JSON_MARK}broken")

    assert Task.objects.get().result == f"{JSON_MARK}broken"


def test_the_field_needs_no_migration():
    call_command("makemigrations", "django_q", "--check", "--dry-run", verbosity=0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("serializer", ["pickle", "json"])
@pytest.mark.parametrize("saved_by", ["save", "full_clean and save", "bulk_create", "the cluster"])
def test_a_text_that_looks_like_a_column_is_stored_as_text(conf, tmp_path, serializer, saved_by):
    conf(serializer=serializer)
    mark = tmp_path / "unpickled"
    for text in (pickled(FolderMaker(mark)), pickled(1), f"{JSON_MARK}5", "gA", "gASV nothing"):
        now = timezone.now()
        task = Task(id=uuid4().hex, name="n", func="f", hook="h", args=(text,), kwargs={"x": text},
                    result=text, started=now, stopped=now)  # fmt: skip
        if saved_by == "bulk_create":
            Task.objects.bulk_create([task])
        elif saved_by == "the cluster":
            saving.save([with_pickled_values({**vars(task), "success": True})])
        else:
            if "full_clean" in saved_by:
                task.full_clean()
            task.save()

        found = Task.objects.get(id=task.id)

        assert (found.result, found.kwargs, list(found.args)) == (text, {"x": text}, [text])
    assert not mark.exists()


class Awkward(dict):
    """A dictionary to JSON; leaves a folder where it is unpickled."""

    path = ""

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.django_db(transaction=True)
def test_no_value_is_pickled_from_a_worker_to_the_monitor_where_the_serializer_is_json(
    conf, broker, run_once, tmp_path, monkeypatch
):
    conf(serializer="json")
    mark = str(tmp_path / "unpickled")
    value = Awkward(x=1)
    monkeypatch.setattr(Awkward, "path", mark)
    monkeypatch.setattr(tasks, "nothing", lambda: value)
    task_id = async_task("tests.tasks.nothing", hook="tests.tasks.hook", broker=broker)

    run_once(broker)

    assert fetch(task_id).result == {"x": 1}
    assert not os.path.exists(mark)
    result = with_pickled_values(
        {"func": "f", "args": (1,), "kwargs": {"x": value}, "result": value}
    )
    assert [unpickled(result[key]) for key in ("args", "kwargs", "result")] == [
        (1,), {"x": {"x": 1}}, {"x": 1},
    ]  # fmt: skip
    assert not os.path.exists(mark)
