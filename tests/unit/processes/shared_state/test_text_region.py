"""Texts in shared memory: read whole or not at all."""

from __future__ import annotations

import pytest

from django_q.processes.shared_state.text_region import TextRegion, region_bytes


@pytest.fixture
def region() -> TextRegion:
    """Make a region of sixteen bytes."""
    return TextRegion(memoryview(bytearray(region_bytes(16))))


def test_what_is_written_is_read(region):
    region.write(b"a longer text")
    region.write(b"short")

    assert region.read() == b"short"


def test_a_text_that_was_not_written_to_its_end_is_not_read(region):
    region.write(b"before")
    region.header[0] += 1  # as a process leaves it that is killed meanwhile

    assert region.read() == b""


def test_a_process_that_comes_after_one_that_was_killed_writes_texts_that_are_read(region):
    region.header[0] += 1

    region.write(b"after")

    assert region.read() == b"after"


def test_a_text_that_changes_while_it_is_read_is_read_again(region):
    region.write(b"first")
    changes = iter([b"second"])

    def convert(data: bytes) -> bytes:
        for each in changes:
            region.write(each)
        return data

    assert region.read_with(convert) == b"second"


def test_a_text_is_cut_between_characters(region):
    region.write_cut("0123456789abcdeö")

    assert region.read() == b"0123456789abcde"


@pytest.mark.parametrize("end", ["clear", "reset"])
def test_a_region_that_is_emptied_has_no_text(region, end):
    region.write(b"text")

    getattr(region, end)()

    assert region.read() == b""
