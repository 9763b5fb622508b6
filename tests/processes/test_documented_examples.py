"""The examples of the documentation that wait for their tasks, beside a cluster of processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module

import django
import pytest

from tests.documented_code import ROOT, ServedPage, has_modules, waits
from tests.walkthrough import FOLLOWED_PAGES

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]

PAGES = [page.relative_to(ROOT).as_posix() for page in sorted((ROOT / "docs").glob("*.rst"))]
SERVED_PAGES = [page for page in PAGES if page not in FOLLOWED_PAGES and waits(page)]
#: Those with modules of their own have a cluster of their own, which starts when they are written.
TOGETHER = [page for page in SERVED_PAGES if not has_modules(page)]
BESIDE_ONE_CLUSTER = [TOGETHER, *([page] for page in SERVED_PAGES if page not in TOGETHER)]

#: An app of the cluster that gives ``django.tasks`` to a Django that has none.
ALIAS = "import sys, django_tasks; sys.modules['django.tasks'] = django_tasks"


@pytest.fixture
def serve(tmp_path, monkeypatch, running_cluster) -> Iterator[Callable]:
    """Write the modules of pages, and start a cluster that finds them."""
    if django.VERSION < (6, 0):  # where the same names are in another package
        monkeypatch.setitem(sys.modules, "django.tasks", import_module("django_tasks"))
        (tmp_path / "later_django.py").write_text(ALIAS)
        monkeypatch.setenv("DJANGO_Q_TEST_APPS", "later_django")

    def write_and_start(names: list[str]) -> list[ServedPage]:
        pages = [ServedPage(tmp_path, name) for name in names]
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.chdir(tmp_path)  # where files are stored
        paths = [str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        running_cluster(workers=1)
        return pages

    yield write_and_start
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        del sys.modules[name]


def test_there_are_pages_that_wait_for_tasks():
    assert "docs/tasks.rst" in SERVED_PAGES
    assert "docs/index.rst" in TOGETHER


@pytest.mark.parametrize("names", BESIDE_ONE_CLUSTER, ids=" ".join)
def test_the_tasks_of_a_page_end_in_a_cluster_as_it_says(serve, names):
    for page in serve(names):
        page.run_statements()
