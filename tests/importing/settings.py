"""Settings of a project that has other task queues, whose schedules are imported."""

import os
from importlib.util import find_spec

SECRET_KEY = "only for tests"
USE_TZ = True
TIME_ZONE = "Europe/Amsterdam"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
#: RQ Scheduler and django-celery-beat have modules of the same name, so one of them is there.
HAS_CELERY = find_spec("django_celery_beat") is not None
INSTALLED_APPS = ["django.contrib.contenttypes", "django_q"]
if HAS_CELERY:
    INSTALLED_APPS += ["django_celery_beat", "huey.contrib.djhuey", "tests.importing.shop"]
else:
    INSTALLED_APPS += ["django_rq"]
RQ_QUEUES = {
    name: {"URL": os.environ.get("DJANGO_Q_TEST_RQ_URL", "redis://127.0.0.1:1/0")}
    for name in ("default", "mail")
}
HUEY = {"huey_class": "huey.MemoryHuey", "immediate": False}
Q_CLUSTER = {"name": "shop", "orm": "default", "timeout": 60, "retry": 90}
