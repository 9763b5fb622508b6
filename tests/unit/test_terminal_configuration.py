"""The settings that qinfo prints: all of them, and no secrets."""

from __future__ import annotations

import pytest

from django_q import __version__
from django_q.terminal.configuration import lines, without_secrets

SECRET = "hunter2"


def printed() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines())


def test_each_setting_with_a_value_is_printed(conf):
    conf(name="shop", workers=3, timeout=None)

    settings = printed()

    assert settings["VERSION"] == __version__
    assert (settings["PREFIX"], settings["WORKERS"]) == ("shop", "3")
    assert settings["Q_STAT"] == "django_q:shop:cluster"
    assert "TIMEOUT" not in settings


def test_the_secret_key_is_not_printed(settings):
    settings.SECRET_KEY = SECRET

    assert SECRET not in "\n".join(lines())


@pytest.mark.parametrize(
    "value",
    [
        f"redis://:{SECRET}@localhost:6379/0",
        f"redis://user:{SECRET}@localhost:6379/0",
        f"redis://user:{SECRET}@first,redis://user:{SECRET}@second",
        f"redis://user:pa@ss:{SECRET}@localhost",
        f"unix://@/run/redis.sock?db=0&password={SECRET}",
        {"host": "localhost", "password": SECRET},
        {"url": f"rediss://user:{SECRET}@localhost", "db": 1},
        {"aws_region": "eu", "aws_access_key_id": SECRET, "aws_secret_access_key": SECRET},
        {"sentry": {"dsn": f"https://{SECRET}@sentry.example/1"}},
        {"rollbar": {"access_token": SECRET, "environment": "production"}},
        {"mail": {"redis": {"password": SECRET}}},
        [{"credentials": SECRET}],
    ],
)
def test_secrets_are_hidden_however_deep_they_are(value):
    assert SECRET not in without_secrets("REDIS", value)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("redis://user:pw@cache.example:6379/2", "cache.example:6379/2"),
        ("redis://localhost:6379/0?db=1", "redis://localhost:6379/0?db=1"),
        ({"host": "localhost", "port": 6379}, "'port': 6379"),
    ],
)
def test_what_is_no_secret_stays_readable(value, kept):
    assert kept in without_secrets("REDIS", value)
