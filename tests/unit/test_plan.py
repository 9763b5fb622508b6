"""What the test command says before it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import plan


@pytest.fixture(autouse=True)
def _nothing_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOX_SKIP_ENV", raising=False)


def test_each_environment_of_the_test_command_is_planned_or_left_out_with_a_reason(monkeypatch):
    monkeypatch.setattr(plan, "is_here", lambda version: version == "3.12")

    made = plan.make_plan()

    assert made.runs == ["py312-dj60", "processes", "disturbances", "package"]
    assert made.left_out["py310-dj52"] == "Python 3.10 is not here"
    assert {*made.runs, *made.left_out} >= {*plan.environments(), *plan.ON_DEMAND}


def test_what_the_environment_skips_is_left_out(monkeypatch):
    monkeypatch.setenv("TOX_SKIP_ENV", "processes|disturbances|py.*")

    assert plan.make_plan().runs == ["package"]


def test_there_are_figures_for_all_that_runs():
    assert {*plan.environments()} == {*plan.FIGURES}


def test_a_slower_processor_takes_longer(monkeypatch):
    monkeypatch.setitem(plan.FIGURES, "package", (70, 20))

    text = plan.lines(plan.Plan(["package"], {"demo": "not asked for"}), 1.0)
    slower = plan.lines(plan.Plan(["package"], {"demo": "not asked for"}), 10.0)

    assert text[1].split() == ["package", "about", "2", "minutes"]
    assert slower[1].split() == ["package", "about", "12", "minutes"]
    assert text[-1].split() == ["demo", "not", "asked", "for"]


def test_a_shim_of_a_python_that_is_not_there_does_not_count(tmp_path, monkeypatch):
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not plan.is_here("3.99")
    assert not plan.is_here("3.98")
    assert plan.is_here(".".join(map(str, sys.version_info[:2])))


def test_the_plan_needs_nothing_but_python():
    command = [sys.executable, "-I", "-S", "tests/plan.py"]
    said = subprocess.run(command, cwd=plan.ROOT, capture_output=True, text=True, check=True).stdout

    assert said.startswith("This runs")
    assert "package" in said
