"""How the sentinels of a deployment of Redis Sentinel are named."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_q.servers.redis_sentinel import is_sentinel, parse_sentinel_options

PAIR = [("one", 26379), ("two", 26380)]


@pytest.mark.parametrize(
    "options",
    [
        {"sentinels": PAIR, "service_name": "main", "db": 2, "password": "s/e@cret"},
        {"sentinels": [["one", "26379"], "two:26380"], "service_name": "main", "db": 2,
         "password": "s/e@cret"},
        {"url": "sentinel://:s%2Fe%40cret@one,two:26380/2?service_name=main"},
        {"url": "sentinel://one:26379,two:26380/2?service_name=main", "password": "s/e@cret"},
        {"url": "sentinel://one,two:26380/2", "password": "s/e@cret", "service_name": "main"},
    ],
)  # fmt: skip
def test_sentinels_are_named_in_a_dictionary_or_in_a_url(options):
    assert is_sentinel(options)

    found = parse_sentinel_options(options)

    del found["sentinel_kwargs"]
    assert found == {"sentinels": PAIR, "service_name": "main", "db": 2, "password": "s/e@cret"}


def test_a_url_may_hold_what_one_of_redis_may():
    found = parse_sentinel_options(
        {"url": "sentinel://me:s@[::1]:7/0?service_name=m&socket_timeout=3"}
    )

    assert found["sentinels"] == [("::1", 7)]
    assert (found["username"], found["password"], found["socket_timeout"]) == ("me", "s", 3.0)


def test_sentinels_are_spoken_to_as_the_servers_are_unless_told():
    options = {"sentinels": ["one"], "service_name": "main", "socket_timeout": 3, "password": "s"}

    assert parse_sentinel_options(options)["sentinel_kwargs"]["socket_timeout"] == 3
    assert "password" not in parse_sentinel_options(options)["sentinel_kwargs"]

    own = parse_sentinel_options(
        {**options, "sentinel_kwargs": {"password": "t", "socket_timeout": 1}}
    )
    assert own["sentinel_kwargs"]["socket_timeout"] == 1
    assert own["sentinel_kwargs"]["password"] == "t"


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"sentinels": PAIR}, "no service_name"),
        ({"url": "sentinel://secret@one"}, "no service_name"),
        ({"sentinels": [], "service_name": "main"}, "no list of sentinels"),
        ({"sentinels": "secret", "service_name": "main"}, "no list of sentinels"),
        ({"url": "sentinel:///0?service_name=main"}, "no list of sentinels"),
        ({"sentinels": ["one", 7], "service_name": "main"}, "sentinel 2 without a host"),
        ({"sentinels": [("one", "secret")], "service_name": "main"}, "a port that is no number"),
        ({"url": "sentinel://:secret/@one:x/0?service_name=main"}, "a port that is no number"),
        ({"url": "sentinel://[secret/0?service_name=main"}, "a URL that can not be read"),
        ({"url": "sentinel://one?service_name=main&db=secret"}, "a URL that can not be read"),
    ],
)
def test_what_names_no_sentinels_is_an_error_that_says_what_was_expected(options, got):
    with pytest.raises(ImproperlyConfigured, match=r"expected {'sentinels': .*got ") as caught:
        parse_sentinel_options(options)

    assert got in str(caught.value)
    assert "secret" not in str(caught.value)


def test_other_options_name_a_server():
    assert not is_sentinel({"host": "one"})
    assert not is_sentinel({"url": "redis://one"})
    assert not is_sentinel({"url": None})
