"""Options of task functions: checked at once, and typed."""

from __future__ import annotations

import pytest

from django_q.calls.task_function.task_options import TASK_OPTIONS
from django_q.exceptions import PackageError
from django_q.tasks import task
from django_q.wire.package import KNOWN_OPTIONS
from tests import task_functions
from tests.task_functions import send

#: Options that iterables and chains give to their tasks.
INTERNAL_OPTIONS = {"chain_options", "iter_cached", "iter_count", "iter_group", "iter_name"}


def test_each_option_of_a_call_is_typed():
    assert KNOWN_OPTIONS - INTERNAL_OPTIONS - {"iter_position"} == TASK_OPTIONS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retires": 3}, r"There is no option of tasks 'retires'. Did you mean 'retries'\?"),
        ({"queue": "mail"}, r"There is no option of tasks 'queue'. Expected some of ack_failure, "),
        ({"retries": "many"}, r"The option 'retries' must be a whole number"),
        ({"unique_for": 5}, r"The option 'unique_for' needs the option 'unique'"),
        ({"soft_timeout": 30}, r"The option 'soft_timeout' must be lower than 'timeout'"),
    ],
)
def test_options_are_checked_at_once(options, message):
    for call in (send.using, task(task_functions.twice, timeout=20).using):
        with pytest.raises(PackageError, match=message):
            call(**options)
    with pytest.raises(PackageError, match=message):
        task(**{"timeout": 20, **options})


def test_options_are_kept_in_the_form_in_which_they_travel():
    found = send.using(retry_on=[ValueError], timeout="5", hook=task_functions.note).options

    assert (found["retry_on"], found["timeout"]) == (["ValueError"], 5)
    assert found["hook"] == "tests.task_functions.note"
