"""The search language: what a search means, and what is said of one that means nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from django_q.dashboard.task_search.fields import SearchError
from django_q.dashboard.task_search.language import MAX_SEARCH_LENGTH, parse
from django_q.dashboard.task_search.listed_task import ListedTask

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def task(**overrides):
    values = {"id": "a" * 32, "name": "nightly", "func": "shop.mail.send", "group": "x",
              "queue": "mail", "state": "succeeded", "when": NOW, "worker": "web-3:47",
              "exception": ""}  # fmt: skip
    made = ListedTask(**(values | {k: v for k, v in overrides.items() if k != "arguments"}))
    made.__dict__["arguments"] = overrides.get("arguments", "")
    return made


def terms(text):
    return [(term.name, term.value) for term in parse(text, NOW).terms]


def test_a_search_is_fields_with_values_and_bare_words():
    found = terms('func:mail* error:"timed out" group:x boom "two words" 12:30')

    assert found == [("func", "mail*"), ("error", "timed out"), ("group", "x"), ("", "boom"),
                     ("", "two words"), ("", "12:30")]  # fmt: skip
    assert terms("  ") == []


def test_a_field_has_other_names_and_counts_in_any_case():
    assert terms("Host:web cluster:mail") == [("worker", "web"), ("queue", "mail")]


def test_an_id_that_stands_alone_is_looked_for_in_its_index():
    assert terms("0123456789abcdef" * 2) == [("id", "0123456789abcdef" * 2)]
    assert parse(f"id:{'0' * 8}-{'0' * 4}-{'0' * 4}-{'0' * 4}-{'A' * 12}", NOW).task_id == (
        "0" * 20 + "a" * 12
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fnc:mail", "unknown field 'fnc': did you mean func?"),
        ("zzz:1", "unknown field 'zzz'"),
        ("func:", "expected a value behind 'func:'"),
        ('func:""', "expected a value behind 'func:'"),
        ('error:"timed out', 'a quote is not closed: expected a second " behind "timed'),
        ("state:faild", "did you mean failed?"),
        ("since:yesterday", "unknown time 'yesterday': expected 30m, 1h"),
        ("since:2026-02-31", "unknown time '2026-02-31'"),
        ("x" * (MAX_SEARCH_LENGTH + 1), "expected at most 1000 characters, got 1001"),
        ("x " * 21, "expected at most 20 terms, got 21"),
    ],
)
def test_a_search_that_means_nothing_is_refused_with_a_reason(text, message):
    with pytest.raises(SearchError) as caught:
        parse(text, NOW)

    assert message in str(caught.value)


MATCHES = [
    ("func:mail*", {}, True),
    ("func:mail", {}, True),
    ("func:send*", {}, True),
    ("func:end*", {}, False),
    ("func:*MAIL*", {}, True),
    ("func:s?nd", {}, True),
    ("name:night", {}, True),
    ("group:x", {}, True),
    ("group:x", {"group": "xy"}, False),
    ("group:x*", {"group": "xy"}, True),
    ("queue:mai", {}, False),
    ("worker:web-3", {}, True),
    ("state:succeeded", {}, True),
    ("state:Failed", {}, False),
    ("state:unfinished", {"state": "running"}, True),
    ("state:unfinished", {}, False),
    ("since:1h", {}, True),
    ("since:1h", {"when": NOW - timedelta(hours=2)}, False),
    ("until:2026-01-31T11:00+00:00", {}, False),
    ("until:2026-02-01", {}, True),
    ("since:2026-01-31", {"when": None}, False),
    ("args:42", {"arguments": "142, 'x'"}, False),
    ("args:42", {"arguments": "42, order=7"}, True),
    ("args:4*", {"arguments": "7, order=42"}, True),
    ("args:anna@example.com", {"arguments": "'anna@example.com'"}, True),
    ("error:Timeout", {"exception": "shop.errors.TimeoutError"}, True),
    ("error:timeout*", {"exception": "shop.errors.TimeoutError"}, True),
    ("error:other", {"exception": "shop.errors.TimeoutError"}, False),
    ("kind:" + "0" * 32, {"kind": "0" * 32}, True),
    ("NIGHT", {}, True),
    ("mail night", {}, True),
    ("mail day", {}, False),
    ("order*7", {"arguments": "42, order=7"}, True),
]


@pytest.mark.parametrize(("text", "values", "is_found"), MATCHES)
def test_a_task_is_found_by_all_terms(text, values, is_found):
    assert parse(text, NOW).matches(task(**values)) == is_found


def test_a_term_says_how_it_is_answered():
    query = parse("group:x group:x* func:mail state:failed state:running since:1h", NOW)

    assert [term.is_indexed for term in query.terms] == [True, False, False, False, True, True]
    assert query.terms[2].answer == "compared with the newest 10,000"


def test_a_search_for_an_error_asks_for_failures_alone():
    assert parse("error:x", NOW).states == {"failed", "cancelled", "expired"}
    assert parse("state:unfinished state:running", NOW).states == {"running"}
    assert parse("state:failed state:running", NOW).states == frozenset()


def test_a_term_is_written_so_that_it_can_be_read_again():
    text = 'error:"timed out" mail'

    assert " ".join(map(str, parse(text, NOW).terms)) == text
