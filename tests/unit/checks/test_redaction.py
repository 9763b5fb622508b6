"""The settings that qinfo prints: all of them, and no secrets."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_q import __version__
from django_q.brokers import get_broker
from django_q.checks import examine
from django_q.results.cache import CachedResults
from django_q.servers.connections import connect_redis
from django_q.terminal.configuration import setting_lines, without_secrets

SECRET = "hunter2"


def printed() -> dict[str, str]:
    return dict(line.split(": ", 1) for line in setting_lines())


def test_each_setting_with_a_value_is_printed(conf):
    conf(name="shop", workers=3, timeout=None)

    settings = printed()

    assert settings["VERSION"] == __version__
    assert (settings["PREFIX"], settings["WORKERS"]) == ("shop", "3")
    assert settings["Q_STAT"] == "django_q:shop:cluster"
    assert "TIMEOUT" not in settings


def test_the_secret_key_is_not_printed(settings):
    settings.SECRET_KEY = SECRET

    assert SECRET not in "\n".join(setting_lines())


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


#: Ways in which a password gets into the settings.
URLS = [
    f"redis://:{SECRET}@host:6379/0",
    f"redis://{SECRET}@host:6379/0",
    f"redis://user:a/{SECRET}@host",
    f"redis://user:{SECRET}/b@host",
    f"redis://user:{SECRET}#b@host",
    f"redis://user:a#{SECRET}@host",
    f"redis://user:a?{SECRET}@host",
    f"redis://user:a@{SECRET}@host",
    f"redis://user:{SECRET}@b@host",
    f"redis://user:a {SECRET}@host",
    f"redis://user:a%20{SECRET}@host",
    f"redis://host/0?password={SECRET}",
    f"redis://host/0?db={SECRET}",
    f"redis://:{SECRET}",
    f"rediss://user:{SECRET}@first,user:{SECRET}@second/0",
    f"sentinel://user:{SECRET}@host:26379/0?service_name=x&passwrod={SECRET}",
    f"user:{SECRET}@host:6379",
    f"https://{SECRET}@sqs.example.org/",
    f"https://sqs.example.org/{SECRET}",
    f"https://sqs.example.org/?token={SECRET}",
]
PLACES = {
    "redis": [*URLS, {"passwrod": SECRET}, {"redis": {"password": SECRET}}, {"pass word": SECRET},
              {"sentinels": [("host", SECRET)]}, {"host": f"redis://:{SECRET}@host"},
              {"password": SECRET}, {"ssl_password": SECRET}, {SECRET: 1}, {"port": SECRET},
              {"credential_provider": [SECRET]}, [SECRET], {"client_name": SECRET}],
    "sqs": [{"endpoint_url": url} for url in URLS] + [
        {"aws_secret_acess_key": SECRET}, {"aws_session_token": SECRET}, {"x": {"y": SECRET}}],
    "error_reporter": [{"sentry": {"dsn": SECRET}}, {"sentry": SECRET}, {"x": [SECRET]}, SECRET],
    "orm": URLS, "cache": URLS, "django_redis": URLS, "broker_class": URLS, "time_zone": URLS,
    "serializer": URLS, "log_level": URLS, "save_limit_per": URLS, "start_method": URLS,
    "workers": URLS, "timeout": URLS, "cached": URLS, "catch_up": URLS,
    "functions": [[url] for url in URLS],
    "max_rss": [{"x": SECRET}], "sync": URLS,
    "ALT_CLUSTERS": [{"long": {"redis": url, "orm": url, "passwrod": url}} for url in URLS],
}  # fmt: skip
CASES = [(option, value) for option, values in PLACES.items() for value in values]


@pytest.mark.parametrize(("option", "value"), CASES)
def test_no_part_of_a_secret_is_printed_wherever_it_is(conf, option, value):
    conf(**{option: value})

    assert SECRET not in "\n".join(setting_lines())


@pytest.mark.parametrize(("option", "value"), [*CASES, ("passwrod", SECRET), (URLS[0], 1)])
def test_no_part_of_a_secret_is_in_a_system_check(option, value):
    for message in examine({option: value, "ALT_CLUSTERS": {"long": {option: value}}}):
        assert SECRET not in f"{message.msg} {message.hint}"


@pytest.mark.parametrize("url", [url for url in URLS if url.startswith("redis:")])
def test_an_address_that_can_not_be_read_is_refused_without_being_quoted(url):
    assert SECRET not in address_or_refusal(url)


def address_or_refusal(url: str) -> str:
    """Tell which server a client would name in its errors, or why there is no client."""
    try:
        client = connect_redis(url)
    except ImproperlyConfigured as error:
        return "".join(traceback.format_exception(error))
    return str(client.connection_pool.connection_kwargs.get("host"))


def test_what_is_known_to_be_harmless_is_printed(conf):
    redis = {"host": "localhost", "port": 6379, "db": 1, "passwrod": "x"}
    conf(redis=redis, functions=["a.b", "c.*"],
         sqs={"aws_region": "eu-west-1"}, orm="default", broker_class="shop.brokers.Broker",
         ALT_CLUSTERS={"long": {"timeout": 5, "redis": "redis://u:p@host/1"}})  # fmt: skip

    settings = printed()

    assert settings["REDIS"].startswith("{'host': 'localhost', 'port': 6379, 'db': 1, 'passwrod'")
    assert settings["SQS"] == "{'aws_region': 'eu-west-1'}"
    assert settings["FUNCTIONS"] == "['a.b', 'c.*']"
    assert (settings["ORM"], settings["BROKER_CLASS"]) == ("default", "shop.brokers.Broker")
    assert "@host/1'" in settings["ALT_CLUSTERS"]
    assert "'timeout': 5" in settings["ALT_CLUSTERS"]


@pytest.mark.parametrize("value", URLS)
@pytest.mark.parametrize("option", ["orm", "cache", "django_redis", "sqs", "redis"])
def test_no_error_of_a_broker_or_a_cache_quotes_a_secret(conf, option, value):
    conf(**{option: {"endpoint_url": value, "aws_region": "x"} if option == "sqs" else value})

    assert SECRET not in what_it_raises(lambda: get_broker().connection)
    assert SECRET not in what_it_raises(lambda: CachedResults("q").get("key"))


def what_it_raises(step: Callable) -> str:
    """Tell what a step raises, as a log would."""
    try:
        step()
    except Exception as error:
        return "".join(traceback.format_exception(error))
    return ""
