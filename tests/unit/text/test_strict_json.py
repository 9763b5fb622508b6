"""JSON that any program reads."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from django_q.text.strict_json import strict_json


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"a": [1, 2.5, float("nan")], "b": (float("inf"),)}, {"a": [1, 2.5, None], "b": [None]}),
        ({"half \udcff": "of \ud83d"}, {"half \\udcff": "of \\ud83d"}),
        ("é 日本 😀", "é 日本 😀"),
        (b"\xff", "b'\\xff'"),
        (datetime(2026, 12, 1, tzinfo=timezone.utc), "2026-12-01 00:00:00+00:00"),
    ],
)
def test_what_json_does_not_have_is_left_out_or_escaped(value, read):
    assert json.loads(strict_json(value), parse_constant=pytest.fail) == read
