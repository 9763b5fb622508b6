"""Settings of the tests.

The database is a SQLite file and the cache is files, because processes that tests start must see
both. ``DJANGO_Q_TEST_DATABASE=postgres`` (or ``mysql``) runs the suite on another database, at
``DJANGO_Q_TEST_DATABASE_URL`` where that is set.
"""

import json
import os
import signal
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit

import django

import django_q
from tests.servers import postgres_url
from tests.workspace import workspace

#: Not in an earlier release, nor in a predecessor, which tests run with these settings as well.
HAS_BACKEND = Path(django_q.__file__).with_name("backend.py").exists()
ENGINES = {
    "postgres": "django.db.backends.postgresql",
    "postgresql": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
}


def from_url(url: str) -> dict:
    """Make a database's settings from its URL; the database is made new for the tests."""
    parts = urlsplit(url)
    name = parts.path.strip("/")
    return {
        "ENGINE": ENGINES[parts.scheme],
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": name,
        # The same name, so that processes which only read these settings find the tests' tables.
        "TEST": {"NAME": name},
    }


def sqlite() -> dict:
    """Make the settings of a SQLite database as the documentation recommends them."""
    path = str(workspace() / "test.sqlite3")
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "TEST": {"NAME": path},
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }


def database(kind: str) -> dict:
    """Make the settings of the tests' database."""
    if kind == "sqlite":
        return sqlite()
    return from_url(os.environ.get("DJANGO_Q_TEST_DATABASE_URL") or postgres_url())


if os.environ.get("DJANGO_Q_TEST_SOCKETS") == "datagrams":
    del socket.SOCK_SEQPACKET  # as on macOS


def fail(signum: int, frame: object) -> None:
    """Make an exception of a Unix signal, wherever the process is."""
    raise RuntimeError("a test wants this process to fail")


if os.environ.get("DJANGO_Q_TEST_FAILS"):
    signal.signal(signal.SIGUSR1, fail)

if os.environ.get("DJANGO_Q_TEST_IGNORES_CHILDREN"):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

if os.environ.get("DJANGO_Q_TEST_HANDLER"):
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"no_pusher": {"()": "tests.handlers.NoPusher"}},
        "handlers": {
            "tried": {"class": os.environ["DJANGO_Q_TEST_HANDLER"], "filters": ["no_pusher"]},
            "console": {"class": "logging.StreamHandler"},
        },
        "loggers": {
            "django-q": {"handlers": ["tried"], "level": "INFO", "propagate": False},
            "tests": {"handlers": ["console"], "level": "INFO"},
        },
    }

SECRET_KEY = "only for tests"
ROOT_URLCONF = "tests.urls"
USE_TZ = True
TIME_ZONE = "Europe/Amsterdam"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
STATIC_URL = "static/"
MAIL_IN_MEMORY = "django.core.mail.backends.locmem.EmailBackend"
if django.VERSION < (6, 1):
    EMAIL_BACKEND = MAIL_IN_MEMORY
else:
    MAILERS = {"default": {"BACKEND": MAIL_IN_MEMORY}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_q",
    # Whose app has the system check of TASKS.
    *(["django_tasks"] if HAS_BACKEND and django.VERSION < (6, 0) else []),
    # Of processes that a test starts, with code of others in them.
    *os.environ.get("DJANGO_Q_TEST_APPS", "").split(),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(workspace() / "cache"),
    },
}
#: Which queues tasks go to: to say it at each start of a cluster would block where a pipe is full.
SILENCED_SYSTEM_CHECKS = ["django_q.I021"]
if HAS_BACKEND:
    TASKS = {
        "default": {"BACKEND": "django_q.backend.DjangoQBackend", "QUEUES": ["default", "mail"]},
    }
DATABASES = {"default": database(os.environ.get("DJANGO_Q_TEST_DATABASE", "sqlite"))}

Q_CLUSTER = {
    "name": "test",
    "workers": 1,
    "testing": True,
    # Nobody listens on port 1: a test that needs the server asks for the broker fixture.
    "redis": os.environ.get("DJANGO_Q_TEST_REDIS_URL", "redis://127.0.0.1:1/0"),
    # Set for the processes that a test with the ORM broker starts.
    "orm": os.environ.get("DJANGO_Q_TEST_ORM") or None,
    # What a test wants of the clusters that it starts.
    **json.loads(os.environ.get("DJANGO_Q_TEST_OPTIONS", "{}")),
}
