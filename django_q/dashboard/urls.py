"""The addresses of the dashboard, for a site of the admin and for a project's own urls."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from django_q.dashboard.charts.charts_page import ChartsPage
from django_q.dashboard.failures.failures_page import FailuresPage
from django_q.dashboard.operations.clusters import ClusterPage, ClustersPage
from django_q.dashboard.operations.overview import OverviewPage
from django_q.dashboard.operations.queues import QueuePage, QueuesPage
from django_q.dashboard.operations.schedules import SchedulePage, SchedulesPage
from django_q.dashboard.page import Page
from django_q.dashboard.run_task.run_pages import FunctionsPage, RunPage
from django_q.dashboard.tasks.task_list import TaskListPage
from django_q.dashboard.tasks.task_page import TaskErrorPage, TaskPage

app_name = "django_q"

#: Route, name and page. Sections have their names in ``access.SECTIONS``.
PAGES: list[tuple[str, str, type[Page]]] = [
    ("", "overview", OverviewPage),
    ("tasks/", "tasks", TaskListPage),
    ("tasks/<str:task_id>/", "task", TaskPage),
    ("tasks/<str:task_id>/error.txt", "task_error", TaskErrorPage),
    ("charts/", "charts", ChartsPage),
    ("failures/", "failures", FailuresPage),
    ("queues/", "queues", QueuesPage),
    ("queues/<path:queue>/", "queue", QueuePage),
    ("clusters/", "clusters", ClustersPage),
    ("clusters/<str:cluster>/", "cluster", ClusterPage),
    ("schedules/", "schedules", SchedulesPage),
    ("schedules/<int:schedule>/", "schedule", SchedulePage),
    ("run/", "functions", FunctionsPage),
    ("run/<str:function>/", "run", RunPage),
]


def page_urls(site: Any = None) -> list[URLPattern]:
    """Make the addresses of all pages, in a site of the admin or alone."""
    views = [(route, page.as_view(site=site), name) for route, name, page in PAGES]
    return [
        path(route, site.admin_view(view) if site else view, name=name)
        for route, view, name in views
    ]


urlpatterns = page_urls()
