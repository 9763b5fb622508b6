"""Arguments of schedules, written as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_q.models.schedule_fields.argument_text import is_name, parse_args, parse_kwargs


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


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", " # one\n", " # it's [one\n"])
def test_arguments_may_stand_on_several_lines(end):
    assert parse_args(f"1,{end} 'two # 2',{end}[3,{end}4],{end}") == (1, "two # 2", [3, 4])
    assert parse_args(f"{{'a':{end}1}}") == ({"a": 1},)
    assert parse_kwargs(f"a=1,{end}  b=2{end}") == {"a": 1, "b": 2}
    assert parse_kwargs(f"{{'a': 1,{end}'b': 2}}") == {"a": 1, "b": 2}
    assert parse_args("1,\\\n2") == (1, 2)
    assert parse_args("'''one\ntwo'''") == ("one\ntwo",)


LONG = 60_000
HUGE = 2_000_000


@pytest.mark.parametrize("length", [LONG, HUGE])
@pytest.mark.parametrize(
    ("start", "again", "end"),
    [
        ("1", "+1", ""),
        ("", "-", "1"),
        ("", "not ", "1"),
        ("", "(", ""),
        ("", "[", ""),
        ("x", "()", ""),
        ("x", ".a", ""),
        ("x", "[0]", ""),
        ("", "1 if 1 else ", "1"),
        ("", "lambda:", "1"),
        ("f'{1", "+1", "}'"),
        ("'''", "\\", ""),
        ("a=1", "+1", ""),
        ("{'q_options': 1", "+1", "}"),
    ],
)
def test_what_a_parser_would_go_too_deep_into_is_refused_in_a_line(start, again, end, length):
    text = start + again * (length // len(again)) + end

    for parse in (parse_args, parse_kwargs):
        with pytest.raises(ValueError, match="must") as caught:
            parse(text)
        assert len(str(caught.value)) < 300


def test_arguments_that_are_long_and_flat_are_read():
    texts = {
        "'" + "+" * LONG + "'": ("+" * LONG,),
        "set(), " * 5000: (set(),) * 5000,
        "-1.5e-3 + 2.5e-3j, " * 3000: (-1.5e-3 + 2.5e-3j,) * 3000,
        "'a'\n" * 10000: ("a" * 10000,),
        "[" * 90 + "]" * 90: parse_args("[" * 90 + "]" * 90),
    }

    assert {text: parse_args(text) for text in texts} == texts
