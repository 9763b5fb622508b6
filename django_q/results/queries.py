"""Find, count and delete finished tasks in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from django_q.models import Task
from django_q.models.task import HAS_ENDED, clipped

#: Ids that one query looks for.
RESULTS_PER_QUERY = 500


@dataclass(frozen=True)
class DatabaseResults:
    """The store of results that are rows of ``Task``."""

    def result(self, task_id: str) -> tuple[Any] | None:
        """Find the result of a task, in a tuple because it may be None itself."""
        found = tasks_matching(task_id).values_list("result")[:1]
        return next(iter(found), None)

    def fetch(self, task_id: str) -> Task | None:
        """Find a task."""
        return tasks_matching(task_id).first()

    def find_many(self, kind: str, names: Sequence[str]) -> dict[str, Any]:
        """Find what ``result`` or ``fetch`` would, as ``kind`` says, by id or name."""
        ids = [name for name in names if is_id(name)]
        found: dict[str, Any] = {}
        for first in range(0, len(ids), RESULTS_PER_QUERY):
            some = ids[first : first + RESULTS_PER_QUERY]
            rows = Task.objects.filter(HAS_ENDED, id__in=some).order_by()
            if kind == "result":
                found |= {key: (value,) for key, value in rows.values_list("id", "result")}
            else:
                found |= {row.id: row for row in rows}
        return found | {name: getattr(self, kind)(name) for name in names if not is_id(name)}

    def result_group(self, group_id: str, failures: bool = False) -> list[Any]:
        """Find the results of a group; with ``failures`` also the texts of its exceptions."""
        return list(Task.get_result_group(group_id, failures))

    def fetch_group(self, group_id: str, failures: bool = True) -> QuerySet[Task]:
        """Find the tasks of a group; without ``failures`` only those that succeeded."""
        return Task.get_task_group(group_id, failures)

    def count_group(self, group_id: str, failures: bool = False) -> int:
        """Count the tasks of a group; with ``failures`` only those that failed."""
        return Task.get_group_count(group_id, failures)

    def delete_group(self, group_id: str, tasks: bool = False) -> Any:
        """Take the label off the tasks of a group; with ``tasks`` delete them."""
        return Task.delete_group(group_id, tasks)


def is_id(name: str) -> bool:
    """Return True for the id of a task; it can be no name."""
    return len(name) == 32 and name.isalnum()


def tasks_matching(task_id: str) -> QuerySet[Task]:
    """Find tasks by id or name; a name is only searched for where it can not be an id.

    Those that are run again have not ended. A query by name reads the whole table, and a caller
    that waits repeats it often.
    """
    if is_id(task_id):
        return Task.objects.filter(HAS_ENDED, id=task_id).order_by()
    name = clipped(task_id, "name")
    return Task.objects.filter(HAS_ENDED, Q(id=task_id) | Q(name=name)).order_by("-stopped")
