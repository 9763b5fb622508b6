"""Arguments of schedules, written as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_q.models.literals import is_name, parse_args, parse_kwargs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ()),
        ("", ()),
        ("  ", ()),
        ("1", (1,)),
        ("1, 'two', [3.5, None]", (1, "two", [3.5, None])),
        ("(1, 2)", (1, 2)),
        ("((1, 2),)", ((1, 2),)),
        ("[1, 2]", ([1, 2],)),
        ("'text'", ("text",)),
    ],
)
def test_positional_arguments_are_read(text, expected):
    assert parse_args(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, {}),
        (" ", {}),
        ("{'a': 1}", {"a": 1}),
        ("a=1, b='two'", {"a": 1, "b": "two"}),
        ("a=-1, b={'c': [True]}", {"a": -1, "b": {"c": [True]}}),
    ],
)
def test_keyword_arguments_are_read(text, expected):
    assert parse_kwargs(text) == expected


@pytest.mark.parametrize("text", ["open('x')", "1 +", "__import__('os')", "a", "f'{a}'", "[" * 500])
def test_nothing_is_evaluated(text):
    with pytest.raises(ValueError, match="must be Python literals"):
        parse_args(text)
    with pytest.raises(ValueError, match="kwargs must be"):
        parse_kwargs(f"a={text}")


@pytest.mark.parametrize("text", ["1", "*[1]", "**{'a': 1}", "a=1)(b=2", "{1: 2}", "{1, 2}", "{"])
def test_what_names_no_arguments_is_refused(text):
    with pytest.raises(ValueError, match="kwargs must be"):
        parse_kwargs(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    for parse, kind in ((parse_args, tuple), (parse_kwargs, dict)):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert isinstance(value, kind)


@given(st.tuples(st.integers(), st.text(), st.none() | st.booleans(), st.lists(st.binary())))
def test_what_repr_writes_is_read(values):
    assert parse_args(repr(values)) == values
    assert parse_kwargs(repr({"a": values})) == {"a": values}


def test_a_name_is_an_identifier_and_no_keyword():
    assert is_name("due")
    assert not is_name("class")
    assert not is_name("a b")
    assert not is_name(None)
