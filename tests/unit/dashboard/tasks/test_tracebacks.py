"""Tracebacks taken apart: their frames, and the one that counts."""

from __future__ import annotations

import json
import traceback

from django_q.dashboard.tasks.tracebacks import frames_of, split_error

SAMPLE = """Traceback (most recent call last):
  File "/srv/shop/tasks.py", line 12, in charge
    client.post(order)
    ~~~~~~~~~~~^^^^^^^
  File "/srv/venv/lib/python3.12/site-packages/stripe/http.py", line 80, in post
    raise ConnectionError()
ConnectionError

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/shop/mail.py", line 3, in send
    return json.loads(text)
  File "/usr/lib/python3.12/json/__init__.py", line 346, in loads
    return decode(s)
ValueError: no JSON
in two lines
"""


def test_the_frame_that_counts_is_the_last_one_of_the_project():
    parts = frames_of(SAMPLE)

    counted = [part for part in parts if part.is_counted]
    assert [(part.file, part.number, part.function) for part in counted] == [
        ("/srv/shop/mail.py", 3, "send")
    ]
    assert [part.is_library for part in parts if part.file] == [False, True, False, True]


def test_no_text_of_a_traceback_is_lost():
    texts = []
    for part in frames_of(SAMPLE):
        if part.file:
            texts.append(f'  File "{part.file}", line {part.number}, in {part.function}')
        if part.text:
            texts.append(part.text)

    assert "\n".join(texts).split() == SAMPLE.split()


def test_where_only_libraries_were_called_the_last_frame_counts():
    try:
        json.loads("{")
    except ValueError as error:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__.tb_next))

    parts = frames_of(text)

    assert [part.function for part in parts if part.is_counted] == ["raw_decode"]
    assert "JSONDecodeError" in parts[-1].text


def test_the_frames_of_an_exception_group_are_found():
    text = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/srv/shop/tasks.py", line 1, in run\n'
        "  |     raise group\n"
        "  | ExceptionGroup: two (2 sub-exceptions)\n"
    )

    parts = frames_of(text)

    assert [(part.function, part.text) for part in parts if part.file] == [
        ("run", "  |     raise group")
    ]


def test_a_stored_failure_is_its_exception_and_its_traceback():
    assert split_error(f"ValueError('x') : {SAMPLE}") == ("ValueError('x')", SAMPLE)
    assert split_error("Task exceeded its time limit") == ("Task exceeded its time limit", "")


def test_a_text_without_frames_is_kept_as_it_is():
    assert [part.text for part in frames_of("nothing\nhere")] == ["nothing\nhere"]
    assert frames_of("") == []
