"""What many wait for is looked for in one query."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from django_q.models import Task
from django_q.results.cache import CachedResults, result_payload
from django_q.results.queries import DatabaseResults
from django_q.results.reading import ResultReader
from django_q.results.saving import save
from django_q.results.waiting.questions import Question, find_all, find_by_any_connection
from tests.integration.results.finished_packages import finished

IN_A_DATABASE = pytest.mark.django_db(transaction=True)


def question(kind: str, name: str, store: Any = None) -> Question:
    """Ask for the end of a task."""
    return ResultReader(store or DatabaseResults()).task_question(kind, name, -1)[0]


@IN_A_DATABASE
def test_one_query_looks_for_all_of_a_kind():
    packages = [finished(result=number) for number in range(30)]
    save(packages)
    questions = [question("result", each["id"]) for each in packages]
    questions.append(question("result", "0" * 32))

    with CaptureQueriesContext(connection) as queries:
        found = find_all(questions)

    assert found == [*((number,) for number in range(30)), None]
    assert len(queries) == 1


@IN_A_DATABASE
def test_tasks_names_and_groups_are_found_beside_one_another():
    package = finished(result=5, name="a name")
    save([package])
    asked = [question("fetch", package["id"]), question("result", "a name")]
    asked.append(Question("some", DatabaseResults(), lambda: ["found"]))

    task, by_name, group = find_all(asked)

    assert (task.result, by_name, group) == (5, (5,), ["found"])


@IN_A_DATABASE
def test_a_result_that_can_not_be_read_fails_its_own_caller_alone():
    packages = [finished(result=number) for number in range(3)]
    save(packages)
    with connection.cursor() as cursor:
        sql = f"UPDATE {Task._meta.db_table} SET result = 'no pickle' WHERE id = %s"
        cursor.execute(sql, [packages[1]["id"]])

    found = find_all([question("result", each["id"]) for each in packages])

    assert found[::2] == [(0,), (2,)]
    assert isinstance(found[1], (Exception, tuple))


@IN_A_DATABASE
def test_cached_results_are_read_together():
    packages = [{**finished(result=number), "cached": 60} for number in range(3)]
    for package in packages:
        CachedResults("some").put(package, result_payload(package))

    found = find_all([question("result", each["id"], CachedResults("some")) for each in packages])

    assert found == [(0,), (1,), (2,)]


@pytest.mark.parametrize("broker", ["postgres"], indirect=True)
def test_a_connection_that_the_server_has_closed_is_made_anew(broker):
    alias = broker.alias

    def ask() -> int:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 42")
            return cursor.fetchone()[0]

    ask()
    connections[alias].connection.close()

    assert find_by_any_connection([Question("any", None, ask)]) == [42]
