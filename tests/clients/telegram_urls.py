"""Addresses for the tests of django-telegram-q2, which bring none."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("django_telegram_q2.telegram.urls")),
]
