"""Each page as it looks: light, dark, on a phone. ``DJANGO_Q_PICTURES=folder`` keeps pictures.

Pages are checked with axe-core as well, and must not be wider than a phone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from django_q.models import Schedule
from tests.browser import busy_site
from tests.integration.admin.pages import url
from tests.integration.dashboard.visits import ALONE, IN_ADMIN, page_url

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
CLUSTER_ID = str(next(iter(busy_site.CLUSTERS)))
PAGES = {
    "overview": [],
    "tasks": [],
    "charts": [],
    "failures": [],
    "functions": [],
    "queues": [],
    "queue": ["test"],
    "clusters": [],
    "cluster": [CLUSTER_ID],
    "schedules": [],
    "schedule": [0],
    "task": [busy_site.FAILED_ID],
    "running": [busy_site.RUNNING_ID],
}
#: The pictures of the documentation: their names, and pixels that they are high.
DOCUMENTED = {
    "admin-overview-light": ("dashboard", 900),
    "admin-charts-dark": ("dashboard-charts", 860),
    "admin-task-light": ("dashboard-task", 1000),
    "admin-running-dark": ("dashboard-running", 720),
    "admin-schedule-light": ("dashboard-schedule", 900),
    "admin-overview-phone": ("dashboard-phone", 844),
    "admin-schedule-form-light": ("schedule", 1270),
}
#: Pages of the admin itself, which are looked at and not checked.
FORM = "schedule-form"
#: What of a page is checked: in the admin not what Django has around it.
CHECKED = {IN_ADMIN: {"include": [["main"]]}, ALONE: None}


def keep_picture(page: Any, name: str) -> None:
    """Save a picture of a whole page where somebody wants them; that of the documentation too."""
    if folder := os.environ.get("DJANGO_Q_PICTURES"):
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)
        if name in DOCUMENTED:
            title, height = DOCUMENTED[name]
            part = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height}
            page.screenshot(path=Path(folder, f"{title}.png"), full_page=True, clip=part)


@pytest.mark.parametrize(
    ("place", "look"),
    [
        (IN_ADMIN, "light"),
        (IN_ADMIN, "dark"),
        (IN_ADMIN, "phone"),
        (ALONE, "dark"),
        (ALONE, "phone"),  # which is light
    ],
)
def test_each_page_is_accessible_and_no_wider_than_the_window(make_broker, visit, place, look):
    make_broker("memory")
    busy_site.fill()
    page = visit(**LOOKS[look])
    nightly = Schedule.objects.get(name="nightly").pk
    found, errors = {}, []
    page.on("console", lambda told: errors.append((told.text, told.location["url"])))

    for name, parts in PAGES.items():
        parts = [nightly] if name == "schedule" else parts
        busy_site.beat()
        page.goto(page_url("task" if name == "running" else name, *parts, place=place))
        keep_picture(page, f"{'admin' if place == IN_ADMIN else 'alone'}-{name}-{look}")
        violations = Axe().run(page, context=CHECKED[place]).response["violations"]
        found[name] = [
            (each["id"], [node["html"] for node in each["nodes"]][:2])
            for each in violations
            if each["impact"] in ("serious", "critical")
        ]
        width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0, name

    if place == IN_ADMIN:
        page.goto(url(Schedule, "change", nightly))
        keep_picture(page, f"admin-{FORM}-{look}")
    assert {name: each for name, each in found.items() if each} == {}
    assert [each for each in errors if not each[1].endswith("/favicon.ico")] == []
