"""Settings for the tests of django-telegram-q2, which expect these and bring none."""

from __future__ import annotations

import os

os.environ["FIELD_ENCRYPTION_KEY"] = "0" * 64

SECRET_KEY = "no secret: tests of a client"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django_q",
    "django_telegram_q2.telegram",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
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
            ]
        },
    }
]
ROOT_URLCONF = "telegram_urls"
Q_CLUSTER = {"name": "clients", "orm": "default", "timeout": 30, "retry": 60}

Q2_PROCESSING_FUNC = "builtins.print"
Q2_PROCESSING_MINUTES = 1
Q2_PROCESSING_STALE_JOB_SECONDS = 3600
Q2_TELEGRAM_DELIVER_MINUTES = 1
Q2_TELEGRAM_INGEST_MINUTES = 1
Q2_TELEGRAM_INTAKE_FLUSH_MINUTES = 1
Q2_TELEGRAM_SETUP_MINUTES = 1
TELEGRAM_ACK_REACTION = "\N{THINKING FACE}"
WEBHOOK_COOLDOWN_SECONDS = 300
WEBHOOK_FALLBACK_PENDING_THRESHOLD = 5
