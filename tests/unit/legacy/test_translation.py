"""Rewriting source written for Django Q 0.x."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_q.legacy import Translation, translate
from tests.legacy_samples import corpus


def before(sample: str) -> bytes:
    return sample.replace("ASYNC", "async").encode()


def after(sample: str) -> bytes:
    return sample.replace("ASYNC", "async_task").encode()


@pytest.mark.parametrize("sample", corpus.REWRITTEN)
def test_django_qs_async_becomes_async_task(sample: str) -> None:
    translation = translate(before(sample))

    assert translation.problems == ()
    assert translation.data == after(sample)
    assert translation.count == sample.count("ASYNC")


@pytest.mark.parametrize("source", corpus.UNTOUCHED)
def test_the_keyword_strings_and_comments_are_left_alone(source: str) -> None:
    assert translate(source.encode()) == Translation(source.encode())


@pytest.mark.parametrize(("source", "line", "text"), corpus.PROBLEMS)
def test_what_can_not_be_right_is_reported_and_left(source: str, line: int, text: str) -> None:
    translation = translate(source.encode())

    assert translation.data == source.encode()
    assert not translation.has_changed
    assert [found for at, found in translation.problems if at == line and text in found]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("sample", corpus.REWRITTEN)
def test_line_ends_do_not_matter_and_are_kept(sample: str, end: str) -> None:
    sample = sample.replace("\n", end)

    assert translate(before(sample)).data == after(sample)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbffrom django_q import async\r\nasync('\xc3\xa9')",
        b"\xef\xbb\xbf# coding: utf-8\nfrom django_q import async\n",
        "# coding: latin-1\nfrom django_q import async; x = 'é'; async(x)  # é".encode("latin-1"),
        "#!/usr/bin/python\n# -*- coding: cp1251 -*-\nfrom django_q import async\n'Привет'".encode(
            "cp1251"
        ),
        "# vim: set fileencoding=gbk :\nж = '表'\nfrom django_q import async\nasync(ж)".encode(
            "gbk"
        ),
        "# coding: shift_jis\n'表ソ'\nfrom django_q import async;async('表')".encode("shift_jis"),
        "# coding: euc-jp\n'表'; from django_q import async".encode("euc-jp"),
        "#\r# coding: latin-1\rfrom django_q import async\r'é'".encode("latin-1"),
        "\f\nfrom django_q import async\n\f\nif 1:\n\tasync ( 'é' )  \t\n   ".encode(),
        "é = '\u2028\x0b\x1c'; from django_q import async; 'é\x85'; async(é)".encode(),
    ],
)
def test_every_other_byte_is_kept_in_any_encoding(data: bytes) -> None:
    translation = translate(data)

    assert translation.problems == ()
    assert translation.data == data.replace(b"async", b"async_task")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"from django_q import async\n'\xe9'", "can't decode byte"),
        (b"# coding: klingon\nfrom django_q import async", "unknown encoding"),
        (b"\xef\xbb\xbf# coding: latin-1\nfrom django_q import async", "encoding problem"),
        (b"# coding: rot13\nfrom django_q import async", "does not compile"),
        (b"# coding: utf-7\nfrom django_q import async\n'+AOk-+AOk-'", "byte for byte"),
    ],
)
def test_a_file_that_can_not_be_read_is_reported(data: bytes, text: str) -> None:
    translation = translate(data)

    assert translation.data == data
    assert text in translation.problems[0][1]


def test_a_path_to_an_async_in_a_string_is_pointed_out() -> None:
    source = (
        corpus.OLD_IMPORT
        + "\npatch('shop.views.async')\npatch('django_q.tasks.async')\n'an async'\n"
    )

    translation = translate(source.encode())

    assert translation.remarks == ((3, "the string 'shop.views.async' is left as it is"),)
    assert translation.has_changed


def test_a_deep_expression_is_no_obstacle() -> None:
    source = corpus.OLD_IMPORT + " + ".join(["async('x')"] * 700)

    assert translate(source.encode()).count == 701


def test_the_standard_library_has_nothing_to_rewrite() -> None:
    for path in Path(asyncio.__file__).parent.glob("*.py"):
        translation = translate(path.read_bytes(), str(path))

        assert (translation.has_changed, translation.problems) == (False, ())


STATEMENTS = st.sampled_from([*corpus.STATEMENTS, *corpus.UNTOUCHED, "\f", "x = 1", "# async"])


@given(st.lists(STATEMENTS, min_size=1), st.sampled_from(["\n", "\r\n", "\r"]))
def test_rewriting_twice_is_rewriting_once(statements: list[str], end: str) -> None:
    sample = (corpus.IMPORT + "\n".join(statements)).replace("\n", end)

    once = translate(before(sample))

    assert once.data == after(sample)
    assert translate(once.data) == Translation(once.data)


PIECES = """
async async async for x in y def with x : ' " ''' \"\"\" f' f\"\"\" rb' { } {{ !r # ( ) [ ] . ...
= \\ \\N{ x é 1 lambda django_q import from\x20django_q\x20import\x20async; 1e 0x
"""
TEXTS = st.lists(
    st.sampled_from([*PIECES.split(), " ", " ", "\n", "\r", "    ", "\t", "\\\n", "\0"])
)


@given(TEXTS.map("".join))
def test_no_text_is_too_odd(source: str) -> None:
    data = source.encode()

    translation = translate(data)

    assert translation.data.replace(b"async_task", b"async") == data
    if translation.has_changed:
        compile(translation.data, "sample", "exec")
    else:
        assert translation.data == data


@pytest.mark.parametrize(
    "source",
    [
        "mock.patch('shop.views.async')\n",
        "async def f():\n    with patch('shop.views.async'):\n        pass\n",
    ],
)
def test_a_string_is_named_in_a_file_that_has_nothing_to_change(source):
    translation = translate(source.encode())

    assert not translation.has_changed
    assert [text for _, text in translation.remarks] == [
        "the string 'shop.views.async' is left as it is"
    ]
