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

from django_q.conf import Settings, attribute_name

HIDDEN_TEXT = SafeExceptionReporterFilter.cleansed_substitute
#: Numbers above are none that a setting has; a password may be.
MAX_SHOWN_NUMBER = 10**10
MAX_QUOTED_NUMBER = 10**6
#: A word, a path of a time zone, a number as text: what was meant for something else.
PLAIN_WORD_PATTERN = re.compile(
    r"[A-Za-z_]{1,20}|[A-Z][A-Za-z_]{0,20}(/[A-Z][A-Za-z_]{0,20}){1,2}|-?[\d.]{1,6}"
)
#: Characters of a name that is shown.
MAX_SHOWN_CHARACTERS = 200

#: A URL that leaves no doubt what is what in it: a user and a password with any character that has
#: a meaning in a URL make another of it. They are hidden whole; the servers and the number stay.
HOST_PATTERN = r"[A-Za-z0-9.-]+(?::\d{1,5})?"
URL_PATTERN = re.compile(
    rf"(?P<scheme>rediss?|sentinel|https?)://(?P<login>[^@/?#\s]*@)?"
    rf"(?P<rest>{HOST_PATTERN}(?:,{HOST_PATTERN})*(?:/\d{{0,4}})?)(?:\?(?P<query>[^@#\s]*))?"
)
#: A dotted path, a region, a name of a host: letters, digits, and what joins them.
DOTTED_PATH_PATTERN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
WORD_PATTERN = re.compile(r"[\w.-]+")


def is_harmless_number(value: Any) -> bool:
    """Whether a value is a switch, or a number that is no password's."""
    return value is None or (
        isinstance(value, (bool, int, float)) and abs(value) < MAX_SHOWN_NUMBER
    )


def is_word(value: Any) -> bool:
    """Whether a value can only be a name."""
    return (
        isinstance(value, str)
        and bool(WORD_PATTERN.fullmatch(value))
        and len(value) <= MAX_SHOWN_CHARACTERS
    )


def is_path(value: Any) -> bool:
    """Whether a value can only be a dotted path."""
    return (
        isinstance(value, str)
        and bool(DOTTED_PATH_PATTERN.fullmatch(value))
        and len(value) <= MAX_SHOWN_CHARACTERS
    )


def write_value(value: Any) -> str:
    """Write a value of a known kind."""
    return repr(value)


def redact_number(value: Any) -> str:
    """Write a number, a switch or nothing."""
    return write_value(value) if is_harmless_number(value) else repr(HIDDEN_TEXT)


def redact_word(value: Any) -> str:
    """Write a name."""
    return write_value(value) if value is None or is_word(value) else repr(HIDDEN_TEXT)


def redact_path(value: Any) -> str:
    """Write a dotted path."""
    return write_value(value) if value is None or is_path(value) else repr(HIDDEN_TEXT)


def redact_paths(value: Any) -> str:
    """Write a list of dotted paths, and of all that is below some."""
    if not isinstance(value, (list, tuple, set, frozenset)):
        return redact_number(value)
    return write_value(
        [each if is_path(str(each).replace("*", "all")) else HIDDEN_TEXT for each in value]
    )


def redact_label(value: Any) -> str:
    """Write a text for people, which is all over the admin."""
    return (
        write_value(str(value)[:MAX_SHOWN_CHARACTERS])
        if isinstance(value, (str, Promise))
        else redact_number(value)
    )


def redact_choice_of(known: Callable[[], Iterable]) -> Callable[[Any], str]:
    """Make what writes a name if it is a known one."""

    def write(value: Any) -> str:
        is_known = isinstance(value, (str, bool, type(None))) and value in [None, *known()]
        return write_value(value) if is_known else repr(HIDDEN_TEXT)

    return write


def redact_url(value: Any) -> str:
    """Write a URL without who logs in; nothing of one that can be read in two ways."""
    found = URL_PATTERN.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return redact_number(value) if value is None else repr(HIDDEN_TEXT)
    login = f"{HIDDEN_TEXT}@" if found["login"] else ""
    query = f"?{redact_url_parameters(found['query'])}" if found["query"] else ""
    return repr(f"{found['scheme']}://{login}{found['rest']}{query}")


def redact_url_parameters(query: str) -> str:
    """Write the parameters of a URL, those with numbers under the names that are harmless."""
    pairs = [pair.partition("=")[::2] for pair in query.split("&")]
    return "&".join(
        f"{key}={value}"
        if REDIS_OPTION_REDACTORS.get(key) is redact_number and re.fullmatch(r"\d{1,6}", value)
        else HIDDEN_TEXT
        for key, value in pairs
    )


def redact_table_of(known: Mapping[str, Callable[[Any], str]]) -> Callable[[Any], str]:
    """Make what writes a dictionary: the keys that are known, each in its way."""

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
    """Write a key that is not known: as a name of an argument is spelt, or not at all."""
    is_name = isinstance(key, str) and re.fullmatch(r"[a-z]+(_[a-z]+)*", key) and len(key) <= 40
    return repr(key if is_name else HIDDEN_TEXT)


def redact_setting(name: str, value: Any) -> str:
    """Write the value of an attribute of ``Conf``; a text as it is."""
    try:
        written = SETTING_REDACTORS.get(name, redact_number)(value)
    except Exception:  # of a class that answers in its own way
        return HIDDEN_TEXT
    return written[1:-1] if isinstance(value, (str, Promise)) else written


def redact_clusters(value: Any) -> str:
    """Write the settings of further clusters."""
    if not isinstance(value, Mapping):
        return repr(HIDDEN_TEXT)
    pairs = (f"{redact_word(name)}: {redact_cluster_options(own)}" for name, own in value.items())
    return f"{{{', '.join(pairs)}}}"


def redact_cluster_options(own: Any) -> str:
    """Write the settings of one cluster."""
    known = {
        field.name: SETTING_REDACTORS.get(field.name, redact_number) for field in fields(Settings)
    }
    names = {key: known[attribute_name(key)] for key in own if attribute_name(key) in known}
    return redact_table_of(names)(own)


def quote_or_redact(value: Any, near: Iterable = ()) -> str:
    """Quote what was set in place of something else, if it is a small number or a plain word."""
    if isinstance(value, (bool, int, float, type(None))):
        is_plain = value is None or not abs(value) >= MAX_QUOTED_NUMBER
    else:
        is_plain = isinstance(value, str) and bool(
            PLAIN_WORD_PATTERN.fullmatch(value)
            or get_close_matches(value, [str(name) for name in near], n=1)
        )
    return repr(value) if is_plain else f"a {type(value).__name__}, which is not shown"


def setting_location(where: str, key: Any) -> str:
    """Write where something is in the settings, with a key that may be anything."""
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
            *("single_connection_client", "min_other_sentinels"),
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
#: How the values of ``Conf`` are written that are no numbers, by attribute.
SETTING_REDACTORS: dict[str, Callable[[Any], str]] = {
    "PREFIX": redact_word,
    "CLUSTER_NAME": redact_word,
    "Q_LIST": redact_label,
    "Q_STAT": redact_label,
    "LABEL": redact_label,
    "REDIS": redact_table_of(REDIS_OPTION_REDACTORS),
    "SQS": redact_table_of(SQS_OPTION_REDACTORS),
    "ERROR_REPORTER": redact_table_of({}),
    "ALT_CLUSTERS": redact_clusters,
    "ORM": redact_choice_of(lambda: settings.DATABASES),
    "CACHE": redact_choice_of(lambda: settings.CACHES),
    "DJANGO_REDIS": redact_choice_of(lambda: settings.CACHES),
    "BROKER_CLASS": redact_path,
    "FUNCTIONS": redact_paths,
    "TIME_ZONE": redact_choice_of(lambda: [settings.TIME_ZONE, *available_timezones()]),
    "LOG_LEVEL": redact_choice_of(
        lambda: ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")
    ),
    "SAVE_LIMIT_PER": redact_choice_of(lambda: ("group", "name", "func")),
    "SERIALIZER": redact_choice_of(lambda: ("pickle", "json")),
    "CATCH_UP": redact_choice_of(lambda: ("all", "latest", "none", True, False)),
    "START_METHOD": redact_choice_of(lambda: ("fork", "forkserver", "spawn")),
    "SECRET_KEY": lambda value: repr(HIDDEN_TEXT),
}
