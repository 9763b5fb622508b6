"""Settings of the benchmarks; see the package's docstring for what varies."""

from measured import SETUP

SECRET_KEY = "only for benchmarks"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_q"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {"default": SETUP["database"]}
Q_CLUSTER = {
    "name": "benchmark",
    "timeout": 300,
    "retry": 600,
    "log_level": "WARNING",
    **SETUP["cluster"],
}
