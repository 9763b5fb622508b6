"""The ring: the last bytes that a task has logged."""

from __future__ import annotations

import os

import pytest

from django_q.task_logs.ring import LogRing, make_ring


@pytest.fixture
def ring():
    """Make a ring of 16 bytes, in which a task has begun its log."""
    ring = LogRing(16)
    ring.begin(5.0, 1000.0, "abc", 2)
    return ring


def test_a_log_is_read_with_what_it_belongs_to(ring):
    ring.write(b"one ")
    ring.write(b"two")

    entry = ring.read(5.0)

    assert (entry.task_id, entry.attempt, entry.begun) == ("abc", 2, 1000.0)
    assert (entry.text, entry.length) == ("one two", 7)


@pytest.mark.parametrize("parts", [["0123456789", "abcdefghij"], ["xxxx456789abcdefghij"]])
def test_the_last_bytes_are_kept(ring, parts):
    for part in parts:
        ring.write(part.encode())

    entry = ring.read(5.0)

    assert (entry.text, entry.length) == ("456789abcdefghij", 20)


def test_a_letter_that_is_cut_in_two_is_left_out(ring):
    ring.write("ä".encode() + b"0123456789abcde")

    assert ring.read(5.0).text == "0123456789abcde"


def test_the_log_of_the_next_task_has_nothing_of_the_one_before(ring):
    ring.write(b"first")

    ring.begin(6.0, 1001.0, "def", 1)
    ring.write(b"second")

    assert ring.read(5.0) is None
    assert ring.read(6.0).text == "second"
    assert ring.read(0.0) is None


def test_a_forked_child_writes_to_the_same_ring(ring):
    ring.write(b"parent ")
    if (pid := os.fork()) == 0:
        ring.write(b"child ")
        os._exit(0)
    os.waitpid(pid, 0)
    ring.write(b"end")

    assert ring.read(5.0).text == "parent child end"


def test_an_id_of_any_length_and_letters_begins_a_log():
    ring = LogRing(16)

    ring.begin(5.0, 1000.0, "ü" * 32 + "\udc80", 1)

    assert ring.read(5.0).task_id.startswith("ü" * 32)


@pytest.mark.parametrize("size", [None, 0, -1])
def test_no_ring_is_made_where_no_logs_are_kept(size):
    assert make_ring(size) is None
