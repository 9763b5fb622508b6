"""Settings with which Django's own tests of its tasks framework are run."""

import os

SECRET_KEY = "only for tests"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_q"]
NAME = os.environ.get("UPSTREAM_DATABASE", "")
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": NAME, "TEST": {"NAME": NAME}}
}
Q_CLUSTER = {"name": "upstream", "broker_class": "django_q.brokers.memory.Memory"}
