import pytest
import redis
from django.db import DatabaseError, OperationalError, ProgrammingError

from django_q.exceptions import BrokerUnavailable
from django_q.servers.advice import add_advice, advice_about, raise_advised, with_advice
from django_q.text.function_names import exception_path

MIGRATE = "The tables of django_q are not as this release needs them: run manage.py migrate."


class ServerError(Exception):
    """An error of a driver, with the code of a server."""

    def __init__(self, code):
        super().__init__(code, "a text in any language")
        self.sqlstate = code if isinstance(code, str) else None


def caused_by(error, cause):
    """Give an error the cause that Django gives it."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("no such table: django_q_ormq"),
        OperationalError("no such column: django_q_ormq.rank"),
        OperationalError("table django_q_task has no column named begun"),
        caused_by(ProgrammingError("relation"), ServerError("42P01")),
        caused_by(ProgrammingError("column"), ServerError("42703")),
        caused_by(ProgrammingError("table"), ServerError(1146)),
        caused_by(OperationalError("column"), ServerError(1054)),
    ],
)
def test_a_table_or_column_that_is_missing_needs_a_migration(error):
    assert advice_about(error) == MIGRATE


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no such table: shop_order"),
        OperationalError("database is locked"),
        DatabaseError(),
        redis.ResponseError("WRONGTYPE"),
        redis.TimeoutError("Timeout reading from socket"),
    ],
)
def test_nothing_is_said_about_any_other_error(error):
    assert advice_about(error) == ""
    assert with_advice("a text.", error) == "a text."


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "Q_CLUSTER names no broker, so Redis at localhost:6379 is meant"),
        ({"redis": {"port": 7}}, "Q_CLUSTER['redis'] names, localhost:7?"),
        ({"redis": "redis://anna:secret@shop:7/0"}, "redis://shop:7/0?"),
        ({"redis": {"url": "redis://:secret@shop/1"}}, "redis://shop/1?"),
        ({"django_redis": "default"}, "the cache run that Q_CLUSTER['django_redis'] names?"),
    ],
)
def test_a_redis_server_that_is_away_is_named_without_its_password(settings, options, expected):
    settings.Q_CLUSTER = options

    advice = advice_about(redis.ConnectionError("Error 111 connecting to shop:7."))

    assert expected in advice
    assert "secret" not in advice


def test_advice_is_added_to_a_text_once():
    error = OperationalError("no such table: django_q_ormq")

    add_advice(error)
    add_advice(error)

    assert str(error) == f"no such table: django_q_ormq. {MIGRATE}"


def test_an_app_that_is_not_installed_is_named(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_q"]

    assert "'django_q' is not in INSTALLED_APPS" in advice_about(ValueError())


class CountingError(redis.ConnectionError):
    """An error whose constructor takes other arguments than it keeps."""

    def __init__(self, *, count):
        super().__init__("Error 111 connecting to shop:7.")
        self.count = count


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("Error 111 connecting to shop:7."),
        redis.TimeoutError("Timeout connecting to server"),
        CountingError(count=3),
    ],
)
def test_a_redis_server_that_is_away_is_a_broker_that_is_unavailable(error):
    with pytest.raises(BrokerUnavailable, match="Q_CLUSTER") as raised:
        raise_advised(error)

    assert isinstance(raised.value, type(error))
    assert raised.value.__cause__ is error
    assert vars(raised.value).get("count") == vars(error).get("count")
    assert exception_path(type(raised.value)) == "django_q.exceptions.BrokerUnavailable"


@pytest.mark.parametrize(
    "error", [OperationalError("database is locked"), redis.ResponseError("WRONGTYPE")]
)
def test_any_other_error_is_raised_as_it_is(error):
    with pytest.raises(type(error)) as raised:
        raise_advised(error)

    assert raised.value is error
