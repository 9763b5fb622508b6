"""Patterns of the search language: what they match, and that none takes for ever."""

from __future__ import annotations

import pytest

from django_q.dashboard.task_search.patterns import name_matcher, text_matcher, word_matcher


@pytest.mark.parametrize(
    ("matcher", "pattern", "text", "is_match"),
    [
        (name_matcher, "mail", "shop.Mail.send", True),
        (name_matcher, "mail*", "shop.mail.send", True),
        (name_matcher, "ail*", "shop.mail.send", False),
        (name_matcher, "s*p.m*l.s?nd", "shop.mail.send", True),
        (name_matcher, "*a*b", "xaxbxb", True),
        (name_matcher, "*a*b", "xaxbx", False),
        (name_matcher, "a*a", "a", False),
        (name_matcher, "***", "", True),
        (name_matcher, "a*\n*b", "a \n b", True),
        (name_matcher, "[a]*(b)", "[a] (b)", True),
        (text_matcher, "no*in ? s", "error: No answer\nin 9 s", True),
        (text_matcher, "in*no", "no answer in 9 s", False),
        (text_matcher, "a?c", "xabcx", True),
        (text_matcher, "*", "", True),
        (word_matcher, "42", "142, 42", True),
        (word_matcher, "42", "142", False),
        (word_matcher, "4*2", "1, 4xx2", True),
        (word_matcher, "4*2*2", "4x2y2z2", True),
        (word_matcher, "4*2", "4, 2", False),
        (word_matcher, "a*, b*", "xa, abc, bcd", True),
        (word_matcher, "a*, b*", "abc, cbd", False),
    ],
)
def test_a_wildcard_stands_for_any_text(matcher, pattern, text, is_match):
    assert bool(matcher(pattern)(text)) is is_match


@pytest.mark.parametrize("matcher", [name_matcher, text_matcher, word_matcher])
@pytest.mark.parametrize("pattern", ["*a" * 30 + "*b", "a*" * 30 + "b", "a?*" * 30 + "b"])
def test_a_search_with_many_wildcards_comes_to_an_end(matcher, pattern):
    matches = matcher(pattern)

    assert not matches("a" * 2000)
    assert matches("a" * 2000 + "b")
