"""Settings of the example site: SQLite holds the data and the queue, so nothing else is needed.

``REDIS_URL`` in the environment puts the queue on a Redis list.
"""

import os
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent

#: The files that the tasks read: this very project.
PROJECT = EXAMPLE.parent

#: What the site writes.
DATA = EXAMPLE / "var"
DATA.mkdir(exist_ok=True)

DEBUG = True
SECRET_KEY = "of an example that listens on this machine alone"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "library.urls"
STATIC_URL = "static/"
USE_TZ = True

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_q",
    "library",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
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

# Readers do not wait for writers (WAL), and writers wait for each other instead of failing.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "library.sqlite3",
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# A cache that all processes of a cluster see: the parts of an async_iter pass through it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": DATA / "cache",
    },
}

REDIS_URL = os.environ.get("REDIS_URL")

Q_CLUSTER = {
    "name": "library",
    "workers": 2,
    "timeout": 60,
    "retry": 90,
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}
