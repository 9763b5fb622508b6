"""Options of tasks as a text beside that of the keyword arguments."""

from __future__ import annotations

import pytest

from django_q.admin.schedule_form.options_text import join_options, split_options
from django_q.models.schedule_fields.argument_text import parse_kwargs


@pytest.mark.parametrize(
    ("kwargs", "options", "expected"),
    [
        ("", {"retries": 1}, {"q_options": {"retries": 1}}),
        ("a=1", {}, {"a": 1}),
        ("a=1,", {"retries": 1}, {"a": 1, "q_options": {"retries": 1}}),
        ("{'a b': 1}", {"retries": 1}, {"a b": 1, "q_options": {"retries": 1}}),
        ("a=1, q_options={'timeout': 2}", {"retries": 1},
         {"a": 1, "q_options": {"timeout": 2, "retries": 1}}),
    ],
)  # fmt: skip
def test_options_join_each_form_of_keyword_arguments(kwargs, options, expected):
    joined = join_options(kwargs, options)

    assert parse_kwargs(joined) == expected
    rest, found = split_options(joined)
    assert parse_kwargs(found) == expected.get("q_options", {})
    assert {**parse_kwargs(rest), "q_options": {}} == {**expected, "q_options": {}}


@pytest.mark.parametrize("kwargs", ["open('x')", "q_options=5", "", None])
def test_a_text_that_can_not_be_split_is_shown_as_it_is(kwargs):
    assert split_options(kwargs) == (kwargs or "", "")
