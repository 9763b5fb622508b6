"""The addresses of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from health_check.views import HealthCheckView

CHECKS = ["django_q.health_check.Clusters", ("django_q.health_check.Clusters", {"cluster": "none"})]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("taskly/", include("django_taskly.urls")),
    path("health/", HealthCheckView.as_view(checks=CHECKS[:1])),
    path("health/other/", HealthCheckView.as_view(checks=CHECKS[1:])),
]
