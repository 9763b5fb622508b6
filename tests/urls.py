"""URLs of the tests."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls)]
if find_spec("django_q.urls"):  # not in a predecessor, which tests run with these as well
    urlpatterns.append(path("q/", include("django_q.urls")))
