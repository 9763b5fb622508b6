"""Redact settings that are shown by ``qinfo --config``, by system checks and in logs.

Only what is known to be harmless is shown: a password may stand anywhere, under a misspelt name, in
a URL that can not be parsed, in the place of an alias. So a value is shown because its name and its
kind are known, never because it does not look like a secret.
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

from django_q.conf import Settings, attribute_name

HIDDEN_TEXT = SafeExceptionReporterFilter.cleansed_substitute
#: Larger numbers are not shown: no setting needs them, but a password may be one.
MAX_SHOWN_NUMBER = 10**10
MAX_QUOTED_NUMBER = 10**6
#: A word, the name of a time zone, a short number: a mistake that an error may quote.
PLAIN_WORD_PATTERN = re.compile(
    r"[A-Za-z_]{1,20}|[A-Z][A-Za-z_]{0,20}(/[A-Z][A-Za-z_]{0,20}){1,2}|-?[\d.]{1,6}"
)
#: Characters of a name that is shown at most.
MAX_SHOWN_CHARACTERS = 200

#: A URL that can be parsed in one way only: with a character in user or password that has a meaning
#: in URLs it would not match. The login is hidden; servers, ports and database number are shown.
HOST_PATTERN = r"[A-Za-z0-9.-]+(?::\d{1,5})?"
URL_PATTERN = re.compile(
    rf"(?P<scheme>rediss?|sentinel|https?)://(?P<login>[^@/?#\s]*@)?"
    rf"(?P<rest>{HOST_PATTERN}(?:,{HOST_PATTERN})*(?:/\d{{0,4}})?)(?:\?(?P<query>[^@#\s]*))?"
)
#: A dotted path, and a word such as a region or host name.
DOTTED_PATH_PATTERN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
WORD_PATTERN = re.compile(r"[\w.-]+")


def is_harmless_number(value: Any) -> bool:
    """Return True for None, a truth value, or a number too small for a password."""
    return value is None or (
        isinstance(value, (bool, int, float)) and abs(value) < MAX_SHOWN_NUMBER
    )


def is_word(value: Any) -> bool:
    """Return True if a value is a short word, such as a name."""
    return (
        isinstance(value, str)
        and bool(WORD_PATTERN.fullmatch(value))
        and len(value) <= MAX_SHOWN_CHARACTERS
    )


def is_path(value: Any) -> bool:
    """Return True if a value is a short dotted path."""
    return (
        isinstance(value, str)
        and bool(DOTTED_PATH_PATTERN.fullmatch(value))
        and len(value) <= MAX_SHOWN_CHARACTERS
    )


def write_value(value: Any) -> str:
    """Write a value that is known to be harmless."""
    return repr(value)


def redact_number(value: Any) -> str:
    """Write a number, a truth value or None; hide anything else."""
    return write_value(value) if is_harmless_number(value) else repr(HIDDEN_TEXT)


def redact_word(value: Any) -> str:
    """Write a name; hide anything else."""
    return write_value(value) if value is None or is_word(value) else repr(HIDDEN_TEXT)


def redact_path(value: Any) -> str:
    """Write a dotted path; hide anything else."""
    return write_value(value) if value is None or is_path(value) else repr(HIDDEN_TEXT)


def redact_paths(value: Any) -> str:
    """Write a list of dotted paths, which may end in ``.*``; hide the others in it."""
    if not isinstance(value, (list, tuple, set, frozenset)):
        return redact_number(value)
    return write_value(
        [each if is_path(str(each).replace("*", "all")) else HIDDEN_TEXT for each in value]
    )


def redact_label(value: Any) -> str:
    """Write a text that the admin or the broker shows anyway."""
    return (
        write_value(str(value)[:MAX_SHOWN_CHARACTERS])
        if isinstance(value, (str, Promise))
        else redact_number(value)
    )


def redact_choice_of(known: Callable[[], Iterable]) -> Callable[[Any], str]:
    """Return a function that writes one of the known values, and hides others."""

    def write(value: Any) -> str:
        is_known = isinstance(value, (str, bool, type(None))) and value in [None, *known()]
        return write_value(value) if is_known else repr(HIDDEN_TEXT)

    return write


def redact_url(value: Any) -> str:
    """Write a URL without its login; hide one that could be parsed in two ways."""
    found = URL_PATTERN.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return redact_number(value) if value is None else repr(HIDDEN_TEXT)
    login = f"{HIDDEN_TEXT}@" if found["login"] else ""
    query = f"?{redact_url_parameters(found['query'])}" if found["query"] else ""
    return repr(f"{found['scheme']}://{login}{found['rest']}{query}")


def redact_url_parameters(query: str) -> str:
    """Write the query of a URL: parameters with harmless names and short numbers."""
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    return "&".join(
        f"{key}={value}"
        if REDIS_OPTION_REDACTORS.get(key) is redact_number and re.fullmatch(r"\d{1,6}", value)
        else HIDDEN_TEXT
        for key, value in pairs
    )


def redact_table_of(known: Mapping[str, Callable[[Any], str]]) -> Callable[[Any], str]:
    """Return a function that writes a dictionary: each known key's value by its redactor."""

    def write(value: Any) -> str:
        if isinstance(value, str):
            return redact_url(value)
        if not isinstance(value, Mapping):
            return (
                repr(HIDDEN_TEXT)
                if value
                else redact_number(value if is_harmless_number(value) else None)
            )
        pairs = (
            f"{key!r}: {known[key](each)}"
            if key in known
            else f"{redact_unknown_key(key)}: {HIDDEN_TEXT!r}"
            for key, each in value.items()
        )
        return f"{{{', '.join(pairs)}}}"

    return write


def redact_unknown_key(key: Any) -> str:
    """Write an unknown key if it is spelt like an argument; hide it otherwise."""
    is_name = isinstance(key, str) and re.fullmatch(r"[a-z]+(_[a-z]+)*", key) and len(key) <= 40
    return repr(key if is_name else HIDDEN_TEXT)


def redact_setting(name: str, value: Any) -> str:
    """Write the value of an attribute of ``Conf`` by its redactor; a text without quotes."""
    try:
        written = SETTING_REDACTORS.get(name, redact_number)(value)
    except Exception:  # raised by a class of the project
        return HIDDEN_TEXT
    return written[1:-1] if isinstance(value, (str, Promise)) else written


def redact_clusters(value: Any) -> str:
    """Write the value of ``ALT_CLUSTERS``."""
    if not isinstance(value, Mapping):
        return repr(HIDDEN_TEXT)
    pairs = (f"{redact_word(name)}: {redact_cluster_options(own)}" for name, own in value.items())
    return f"{{{', '.join(pairs)}}}"


def redact_cluster_options(own: Any) -> str:
    """Write the options of one cluster in ``ALT_CLUSTERS``."""
    known = {
        field.name: SETTING_REDACTORS.get(field.name, redact_number) for field in fields(Settings)
    }
    names = {key: known[attribute_name(key)] for key in own if attribute_name(key) in known}
    return redact_table_of(names)(own)


def quote_or_redact(value: Any, near: Iterable = ()) -> str:
    """Quote a wrong value if it is a small number, a plain word or like one of ``near``."""
    if isinstance(value, (bool, int, float, type(None))):
        is_plain = value is None or not abs(value) >= MAX_QUOTED_NUMBER
    else:
        is_plain = isinstance(value, str) and bool(
            PLAIN_WORD_PATTERN.fullmatch(value)
            or get_close_matches(value, [str(name) for name in near], n=1)
        )
    return repr(value) if is_plain else f"a {type(value).__name__}, which is not shown"


def setting_location(where: str, key: Any) -> str:
    """Write a key's place in the settings; hide a key that may be a secret."""
    return (
        f"{where}[{key!r}]"
        if is_word(key) or is_harmless_number(key)
        else f"{where}[{HIDDEN_TEXT}]"
    )


REDIS_OPTION_REDACTORS: dict[str, Callable[[Any], str]] = {
    "url": redact_url,
    "host": redact_word,
    "service_name": redact_word,
    **dict.fromkeys(
        (
            *("port", "db", "protocol", "ssl", "max_connections", "health_check_interval"),
            *("socket_timeout", "socket_connect_timeout", "socket_keepalive"),
            *("retry_on_timeout", "decode_responses", "ssl_check_hostname"),
            *("single_connection_client", "min_other_sentinels", "cluster"),
        ),
        redact_number,
    ),
}
SQS_OPTION_REDACTORS: dict[str, Callable[[Any], str]] = {
    "aws_region": redact_word,
    "region_name": redact_word,
    "endpoint_url": redact_url,
    "receive_message_wait_time_seconds": redact_number,
}
#: Redactors by attribute of ``Conf``; all others are numbers.
SETTING_REDACTORS: dict[str, Callable[[Any], str]] = {
    "PREFIX": redact_word,
    "CLUSTER_NAME": redact_word,
    "Q_LIST": redact_label,
    "Q_STAT": redact_label,
    "LABEL": redact_label,
    "REDIS": redact_table_of(REDIS_OPTION_REDACTORS),
    "SQS": redact_table_of(SQS_OPTION_REDACTORS),
    "ERROR_REPORTER": redact_table_of({}),
    "ALERTS": redact_table_of(
        dict.fromkeys(
            ("waiting", "depth", "no_worker", "schedule_missed", "cool_down", "every"),
            redact_number,
        )
    ),
    "ALT_CLUSTERS": redact_clusters,
    "ORM": redact_choice_of(lambda: settings.DATABASES),
    "CACHE": redact_choice_of(lambda: settings.CACHES),
    "DJANGO_REDIS": redact_choice_of(lambda: settings.CACHES),
    "BROKER_CLASS": redact_path,
    "FUNCTIONS": redact_paths,
    "SCHEDULE_MODULES": redact_paths,
    "RELEASE": redact_label,
    "TIME_ZONE": redact_choice_of(lambda: [settings.TIME_ZONE, *available_timezones()]),
    "LOG_LEVEL": redact_choice_of(
        lambda: ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")
    ),
    "SAVE_LIMIT_PER": redact_choice_of(lambda: ("group", "name", "func")),
    "SERIALIZER": redact_choice_of(lambda: ("pickle", "json")),
    "CATCH_UP": redact_choice_of(lambda: ("all", "latest", "none", True, False)),
    "METRICS_HOST": redact_word,
    "METRICS_TOKEN": lambda value: repr(HIDDEN_TEXT) if value else repr(value),
    "START_METHOD": redact_choice_of(lambda: ("fork", "forkserver", "spawn")),
    "SECRET_KEY": lambda value: repr(HIDDEN_TEXT),
}
