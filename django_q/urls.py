"""The addresses of the dashboard, for projects: ``path("q/", include("django_q.urls"))``."""

from django_q.dashboard.urls import app_name, urlpatterns

__all__ = ["app_name", "urlpatterns"]
