"""Settings of the site: all applications, and the backend of this project."""

from __future__ import annotations

import sys

from tests.workspace import workspace

sys.path.append(str(workspace()))
SECRET_KEY = "no secret: a site of tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.clients.applications.urls"
ALLOWED_HOSTS = ["testserver"]
STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = str(workspace() / "media")
INSTALLED_APPS = [
    "tests.clients.applications.shop",
    "django_q",
    "command_center",
    "crontask",
    "django_admin_runner",
    "django_domain_events",
    "django_inspect_tasks",
    "django_mcpz.bearer_tokens",
    "django_taskly",
    "health_check",
    "maintenance_tasks",
    "overseer",
    "pictures",
    "tasks_monitor",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.admin",
    "wagtail",
    "django_tasks",
    "modelcluster",
    "taggit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
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
#: Migrations of the shop's models are made for each run.
MIGRATION_MODULES = {"shop": "shop_migrations"}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(workspace() / "site.sqlite3"),
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}
Q_CLUSTER = {"name": "site", "orm": "default", "workers": 2, "timeout": 60, "retry": 90}
TASKS = {
    "default": {
        "BACKEND": "django_q.backend.DjangoQBackend",
        "QUEUES": ["default", "pictures", "events"],
    }
}
SILENCED_SYSTEM_CHECKS = ["django_q.I021"]

COMMAND_CENTER = {"HEARTBEAT_SECONDS": 0.2}
DJANGO_DOMAIN_EVENTS = {
    "TASK_BACKEND": {
        "BACKEND": "django_domain_events.delivery.django_tasks_backend.DjangoTasksBackend",
        "queue_name": "events",
    },
    "BACKOFF_BASE_SECONDS": 0.01,
}
OVERSEER_DEFAULT_JITTER = False
PICTURES = {
    "BREAKPOINTS": {"m": 40},
    "GRID_COLUMNS": 1,
    "CONTAINER_WIDTH": 40,
    "FILE_TYPES": ["WEBP"],
    "PIXEL_DENSITIES": [1],
}
WAGTAIL_SITE_NAME = "Shop"
WAGTAILADMIN_BASE_URL = "http://testserver"
