"""URLs of the tests."""

from pathlib import Path

from django.contrib import admin
from django.urls import include, path
from django.utils.module_loading import import_string

import django_q

urlpatterns = [path("admin/", admin.site.urls)]
# Not in an earlier release, nor in a predecessor, which tests run with these as well.
if Path(django_q.__file__).with_name("urls.py").exists():
    urlpatterns.append(path("q/", include("django_q.urls")))
if Path(django_q.__file__).with_name("metrics").exists():
    urlpatterns.append(path("metrics", import_string("django_q.metrics.metrics_view")))
