"""What of a setting may be shown: in ``qinfo --config``, by system checks, in logs.

What is known to be harmless is shown, and nothing of the rest: a password may stand anywhere, under
a name that was misspelt, in a URL that can not be read, in the place of an alias. So values are
shown by name and by kind, never for want of a likeness to a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.utils.functional import Promise
from django.views.debug import SafeExceptionReporterFilter

from django_q.conf import Settings, attribute

HIDDEN = SafeExceptionReporterFilter.cleansed_substitute
#: Numbers above are none that a setting has; a password may be.
LARGEST = 10**10
LARGEST_QUOTED = 10**6
#: A word, a path of a time zone, a number as text: what was meant for something else.
PLAIN = re.compile(r"[A-Za-z_]{1,20}|[A-Z][A-Za-z_]{0,20}(/[A-Z][A-Za-z_]{0,20}){1,2}|-?[\d.]{1,6}")
#: Characters of a name that is shown.
LONGEST = 200

#: A URL that leaves no doubt what is what in it: a user and a password with any character that has
#: a meaning in a URL make another of it. They are hidden whole; the servers and the number stay.
HOST = r"[A-Za-z0-9.-]+(?::\d{1,5})?"
URL = re.compile(
    rf"(?P<scheme>rediss?|sentinel|https?)://(?P<login>[^@/?#\s]*@)?"
    rf"(?P<rest>{HOST}(?:,{HOST})*(?:/\d{{0,4}})?)(?:\?(?P<query>[^@#\s]*))?"
)
#: A dotted path, a region, a name of a host: letters, digits, and what joins them.
PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
WORD = re.compile(r"[\w.-]+")


def is_small(value: Any) -> bool:
    """Whether a value is a switch, or a number that is no password's."""
    return value is None or (isinstance(value, (bool, int, float)) and abs(value) < LARGEST)


def is_word(value: Any) -> bool:
    """Whether a value can only be a name."""
    return isinstance(value, str) and bool(WORD.fullmatch(value)) and len(value) <= LONGEST


def is_path(value: Any) -> bool:
    """Whether a value can only be a dotted path."""
    return isinstance(value, str) and bool(PATH.fullmatch(value)) and len(value) <= LONGEST


def text(value: Any) -> str:
    """Write a value of a known kind."""
    return repr(value)


def number(value: Any) -> str:
    """Write a number, a switch or nothing."""
    return text(value) if is_small(value) else repr(HIDDEN)


def word(value: Any) -> str:
    """Write a name."""
    return text(value) if value is None or is_word(value) else repr(HIDDEN)


def path(value: Any) -> str:
    """Write a dotted path."""
    return text(value) if value is None or is_path(value) else repr(HIDDEN)


def paths(value: Any) -> str:
    """Write a list of dotted paths, and of all that is below some."""
    if not isinstance(value, (list, tuple, set, frozenset)):
        return number(value)
    return text([each if is_path(str(each).replace("*", "all")) else HIDDEN for each in value])


def label(value: Any) -> str:
    """Write a text for people, which is all over the admin."""
    return text(str(value)[:LONGEST]) if isinstance(value, (str, Promise)) else number(value)


def one_of(known: Callable[[], Iterable]) -> Callable[[Any], str]:
    """Make what writes a name if it is a known one."""

    def write(value: Any) -> str:
        is_known = isinstance(value, (str, bool, type(None))) and value in [None, *known()]
        return text(value) if is_known else repr(HIDDEN)

    return write


def url(value: Any) -> str:
    """Write a URL without who logs in; nothing of one that can be read in two ways."""
    found = URL.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return number(value) if value is None else repr(HIDDEN)
    login = f"{HIDDEN}@" if found["login"] else ""
    query = f"?{parameters(found['query'])}" if found["query"] else ""
    return repr(f"{found['scheme']}://{login}{found['rest']}{query}")


def parameters(query: str) -> str:
    """Write the parameters of a URL, those with numbers under the names that are harmless."""
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    return "&".join(
        f"{key}={value}" if REDIS.get(key) is number and re.fullmatch(r"\d{1,6}", value) else HIDDEN
        for key, value in pairs
    )


def table(known: Mapping[str, Callable[[Any], str]]) -> Callable[[Any], str]:
    """Make what writes a dictionary: the keys that are known, each in its way."""

    def write(value: Any) -> str:
        if isinstance(value, str):
            return url(value)
        if not isinstance(value, Mapping):
            return repr(HIDDEN) if value else number(value if is_small(value) else None)
        pairs = (
            f"{key!r}: {known[key](each)}" if key in known else f"{named(key)}: {HIDDEN!r}"
            for key, each in value.items()
        )
        return f"{{{', '.join(pairs)}}}"

    return write


def named(key: Any) -> str:
    """Write a key that is not known: as a name of an argument is spelt, or not at all."""
    is_name = isinstance(key, str) and re.fullmatch(r"[a-z]+(_[a-z]+)*", key) and len(key) <= 40
    return repr(key if is_name else HIDDEN)


def setting(name: str, value: Any) -> str:
    """Write the value of an attribute of ``Conf``; a text as it is."""
    try:
        written = KINDS.get(name, number)(value)
    except Exception:  # of a class that answers in its own way
        return HIDDEN
    return written[1:-1] if isinstance(value, (str, Promise)) else written


def clusters(value: Any) -> str:
    """Write the settings of further clusters."""
    if not isinstance(value, Mapping):
        return repr(HIDDEN)
    pairs = (f"{word(name)}: {options(own)}" for name, own in value.items())
    return f"{{{', '.join(pairs)}}}"


def options(own: Any) -> str:
    """Write the settings of one cluster."""
    known = {field.name: KINDS.get(field.name, number) for field in fields(Settings)}
    names = {key: known[attribute(key)] for key in own if attribute(key) in known}
    return table(names)(own)


def quoted(value: Any, near: Iterable = ()) -> str:
    """Quote what was set in place of something else, if it is a small number or a plain word."""
    if isinstance(value, (bool, int, float, type(None))):
        is_plain = value is None or not abs(value) >= LARGEST_QUOTED
    else:
        is_plain = isinstance(value, str) and bool(
            PLAIN.fullmatch(value) or get_close_matches(value, [str(name) for name in near], n=1)
        )
    return repr(value) if is_plain else f"a {type(value).__name__}, which is not shown"


def place(where: str, key: Any) -> str:
    """Write where something is in the settings, with a key that may be anything."""
    return f"{where}[{key!r}]" if is_word(key) or is_small(key) else f"{where}[{HIDDEN}]"


REDIS: dict[str, Callable[[Any], str]] = {
    "url": url,
    "host": word,
    "service_name": word,
    **dict.fromkeys(
        (
            *("port", "db", "protocol", "ssl", "max_connections", "health_check_interval"),
            *("socket_timeout", "socket_connect_timeout", "socket_keepalive"),
            *("retry_on_timeout", "decode_responses", "ssl_check_hostname"),
            *("single_connection_client", "min_other_sentinels"),
        ),
        number,
    ),
}
SQS: dict[str, Callable[[Any], str]] = {
    "aws_region": word,
    "region_name": word,
    "endpoint_url": url,
    "receive_message_wait_time_seconds": number,
}
#: How the values of ``Conf`` are written that are no numbers, by attribute.
KINDS: dict[str, Callable[[Any], str]] = {
    "PREFIX": word,
    "CLUSTER_NAME": word,
    "Q_LIST": label,
    "Q_STAT": label,
    "LABEL": label,
    "REDIS": table(REDIS),
    "SQS": table(SQS),
    "ERROR_REPORTER": table({}),
    "ALT_CLUSTERS": clusters,
    "ORM": one_of(lambda: settings.DATABASES),
    "CACHE": one_of(lambda: settings.CACHES),
    "DJANGO_REDIS": one_of(lambda: settings.CACHES),
    "BROKER_CLASS": path,
    "FUNCTIONS": paths,
    "TIME_ZONE": one_of(lambda: [settings.TIME_ZONE, *available_timezones()]),
    "LOG_LEVEL": one_of(lambda: ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")),
    "SAVE_LIMIT_PER": one_of(lambda: ("group", "name", "func")),
    "SERIALIZER": one_of(lambda: ("pickle", "json")),
    "CATCH_UP": one_of(lambda: ("all", "latest", "none", True, False)),
    "START_METHOD": one_of(lambda: ("fork", "forkserver", "spawn")),
    "SECRET_KEY": lambda value: repr(HIDDEN),
}
