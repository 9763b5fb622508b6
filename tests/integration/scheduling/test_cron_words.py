"""Words for cron expressions."""

from __future__ import annotations

import pytest

from django_q.scheduling import cron_words as module
from django_q.scheduling.cron_words import cron_words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 17 * * 1-5", "At 17:00, Monday through Friday"),
        ("0 9 1 * 1", "At 09:00, on day 1 of the month, or on Monday"),
        ("0 0 * * 7", "At 00:00, only on Sunday"),
        ("@hourly", "Every hour"),
        ("* * * * * */10", "Every 10 seconds"),
        ("0 9 1 1 * 30 2027", "At 09:00:30, on day 1 of the month, only in January, only in 2027"),
        *((text, "") for text in ("", None, "x", "1 2 3", "1 2 3 4 5 6 7 8")),
    ],
)
def test_an_expression_has_words(expression, words):
    assert cron_words(expression, "en") == words


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "Um 17:00, Montag bis Freitag, nur im März"),
        ("de-at", "Um 17:00, Montag bis Freitag, nur im März"),
        ("fr", "À 17:00, de lundi à vendredi, uniquement en mars"),
        ("zh-hans", "在 17:00, 星期一 到 星期五, 仅在 三月"),
        ("xx", "At 17:00, Monday through Friday, only in March"),
    ],
)
def test_words_and_names_are_in_one_language(language, words):
    assert cron_words("0 17 * 3 1-5", language) == words


def test_without_the_package_there_are_no_words(monkeypatch):
    module.words_in.cache_clear()
    monkeypatch.setattr(module, "descriptor", lambda: None)

    assert cron_words("0 17 * * 1-5", "en") == ""
    module.words_in.cache_clear()
