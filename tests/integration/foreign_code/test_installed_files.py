"""Another distribution of the same package, over or beside this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import django_q
from django_q.checks import check_distributions

pytestmark = pytest.mark.once

APPS = "from django.apps import AppConfig\n\nclass C(AppConfig):\n    name = 'django_q'\n"
START = "import django; django.setup()"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Copy the package to where it can be broken."""
    shutil.copytree(Path(django_q.__file__).parent, tmp_path / "django_q")
    (tmp_path / "project.py").write_text("INSTALLED_APPS = ['django_q']\nSECRET_KEY = 'x'\n")
    return tmp_path


def install(site: Path, *files: str) -> None:
    """Leave the metadata of django-q2, with the files that it has installed."""
    for file in files:  # what is gone counts for nothing
        (site / file).parent.mkdir(exist_ok=True)
        (site / file).touch()
    metadata = site / "django_q2-1.11.1.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Name: django-q2\nVersion: 1.11.1\n")
    (metadata / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def start(site: Path) -> str:
    """Set Django up there. Returns the last line of what it says."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "project", "PYTHONPATH": str(site)}
    command = [sys.executable, "-W", "ignore", "-c", START]
    done = subprocess.run(command, env=environment, cwd=site, capture_output=True, text=True)
    return (done.stderr.splitlines() or [""])[-1]


def test_django_q2_over_this_one_is_named_with_the_cure(site):
    assert start(site) == ""
    for module in ("__init__", "conf", "tasks", "exceptions", "signing"):
        (site / "django_q" / f"{module}.py").write_text("VERSION = (1, 11, 1)\n")
    (site / "django_q" / "apps.py").write_text(APPS)
    install(site, "django_q/__init__.py", "django_q/conf.py")

    said = start(site)

    assert said.startswith("ImportError: django-q2 has been installed over files of django-q in ")
    assert "Uninstall django-q2, then: pip install --force-reinstall --no-deps django-q." in said


def test_what_uninstalling_django_q2_took_along_is_told(site):
    for module in ("__init__", "apps", "conf", "tasks", "exceptions", "signing"):
        (site / "django_q" / f"{module}.py").unlink()

    said = start(site)

    assert said.startswith("ImportError: Files of django-q are gone")
    assert "pip install --force-reinstall --no-deps django-q" in said


@pytest.mark.parametrize(("files", "count"), [(["django_q/__init__.py"], 1), ([], 0)])
def test_django_q2_beside_this_one_is_warned_of_unless_it_is_a_stand_in(
    tmp_path: Path, monkeypatch: Any, files: list, count: int
):
    install(tmp_path, *files, "django_q2-1.11.1.dist-info/RECORD")
    monkeypatch.syspath_prepend(tmp_path)

    messages = check_distributions()

    assert [message.id for message in messages] == ["django_q.W010"] * count
