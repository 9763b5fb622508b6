"""``qcluster --reload`` as real processes: a changed file restarts the cluster."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError, call_command

from django_q.tasks import async_task, result

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a module of the project that its processes can import. Gives its file."""
    file = tmp_path / "reloaded_shop" / "tasks.py"
    file.parent.mkdir()
    file.write_text("def price():\n    return 1\n")
    (file.parent / "__init__.py").touch()
    settings = tmp_path / "reloaded_settings.py"
    settings.write_text(
        "from tests.settings import *\n\nINSTALLED_APPS = [*INSTALLED_APPS, 'reloaded_shop']\n"
    )
    path = [str(tmp_path), str(Path(__file__).parents[3])]
    monkeypatch.setenv("PYTHONPATH", ":".join(path))
    return file


def test_a_changed_file_restarts_the_cluster_with_its_new_code(app, running_cluster):
    cluster = running_cluster("--reload", "--settings=reloaded_settings", workers=1)
    assert result(async_task("reloaded_shop.tasks.price"), wait=60_000) == 1

    app.write_text("def price():\n    return 2  # euros\n")
    cluster.wait_for("tasks.py has changed")
    cluster.wait_for("has stopped.")
    cluster.wait_for("running.", times=2)

    assert result(async_task("reloaded_shop.tasks.price"), wait=60_000) == 2
    assert cluster.stop() == 0
    assert cluster.log().count("has stopped.") == 2
    assert cluster.remaining_processes() == []


def test_a_cluster_that_can_not_start_waits_for_the_next_change(app, running_cluster):
    cluster = running_cluster("--reload", "--settings=reloaded_settings", workers=1)

    app.with_name("__init__.py").write_text("def broken(:\n")
    cluster.wait_for("starts again when a file changes")
    app.with_name("__init__.py").write_text("")
    cluster.wait_for("running.", times=2)

    assert cluster.stop() == 0


def test_a_reloader_that_is_killed_leaves_no_cluster(app, running_cluster, wait_until):
    cluster = running_cluster("--reload", "--settings=reloaded_settings", workers=1)
    processes = psutil.Process(cluster.process.pid).children(recursive=True)

    cluster.process.kill()

    try:
        cluster.wait_for("has stopped.")
        wait_until(lambda: not any(process.is_running() for process in processes))
    finally:
        for process in processes:  # which nobody finds below the one that was killed
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def test_a_cluster_that_ends_by_itself_is_not_reloaded():
    with pytest.raises(CommandError, match="--run-once"):
        call_command("qcluster", "--reload", "--run-once")
