"""URLs of the tests."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("q/", include("django_q.urls"))]
