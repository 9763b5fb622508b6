"""What of a context can travel, and in which form."""

from __future__ import annotations

from contextvars import copy_context
from datetime import timedelta, tzinfo
from datetime import timezone as fixed_zone

import pytest
from django.utils import timezone, translation

from django_q.caller_context.variables import NOT_SET, read_value, set_value, variable


class OwnZone(tzinfo):
    """A time zone without a name."""


@pytest.mark.parametrize(
    ("zone", "value"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (fixed_zone(timedelta(hours=-3)), -10800.0),
        ("Europe/Amsterdam", NOT_SET),
    ],
)
def test_a_time_zone_travels_by_its_name_or_its_offset(zone, value):
    with timezone.override(zone):
        assert read_value("timezone") == value
        name = timezone.get_current_timezone_name()
    if value is not NOT_SET:
        assert copy_context().run(zone_name_after, value) == name


def zone_name_after(value: object) -> str:
    """Set a time zone, and name it."""
    set_value("timezone", value)
    return timezone.get_current_timezone_name()


def test_a_time_zone_without_either_is_refused():
    with timezone.override(OwnZone()), pytest.raises(TypeError, match="must have a name"):
        read_value("timezone")


def test_a_language_travels_unless_it_is_that_of_the_settings(settings):
    assert read_value("language") is NOT_SET
    with translation.override("de"):
        assert read_value("language") == "de"
    with translation.override(None):
        assert read_value("language") is NOT_SET


def test_a_variable_that_is_not_set_does_not_travel_even_if_it_has_a_default():
    assert read_value("tests.foreign.SETTING") is NOT_SET


@pytest.mark.parametrize(
    ("path", "error"), [("tests.tasks.echo", TypeError), ("tests.nowhere.x", ImportError)]
)
def test_what_is_no_context_variable_is_refused(path, error):
    with pytest.raises(error):
        variable(path)
