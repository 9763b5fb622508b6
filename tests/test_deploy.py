"""The files of ``docs/deploy``: each is read by its own tool, or by a parser of its language."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from django_q.conf import Settings

DEPLOY = Path(__file__).parent.parent / "docs" / "deploy"
QCLUSTER = ["python", "manage.py", "qcluster"]
PROBE = 'python manage.py qinfo --check --host "$(hostname)"'
#: Prints the programs of a configuration, read as supervisord does it.
READ_SUPERVISOR = """
import sys
from supervisor.options import ServerOptions

options = ServerOptions()
options.realize(["-c", sys.argv[1]])
for group in options.process_group_configs:
    for each in group.process_configs:
        print(each.command, int(each.stopsignal), each.stopwaitsecs, each.stopasgroup)
"""

pytestmark = pytest.mark.once


def load(name: str) -> Any:
    """Read a file of YAML."""
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def seconds(text: str) -> int:
    """Read "90s" or "90"."""
    return int(text.removesuffix("s"))


def unit_lines() -> list[str]:
    """Read the directives of the unit for systemd."""
    lines = (DEPLOY / "django_q.service").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def directive(name: str) -> str:
    """Find the value of a directive."""
    return next(line.partition("=")[2] for line in unit_lines() if line.startswith(f"{name}="))


def test_systemd_is_notified_and_stops_the_main_process_alone():
    assert directive("Type") == "notify"
    assert directive("NotifyAccess") == "main"
    assert directive("KillMode") == "mixed"
    assert int(directive("WatchdogSec")) > 60
    assert int(directive("TimeoutStopSec")) > Settings.STOP_TIMEOUT


def unit_faults(unit: Path) -> str:
    """Ask systemd what is wrong with a unit; where it is not installed, check the syntax alone."""
    if verify := shutil.which("systemd-analyze"):
        return subprocess.run([verify, "verify", unit], capture_output=True, text=True).stderr
    lines = unit.read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not re.fullmatch(r"\[\w+\]|\w+=.+", line))


def test_systemd_finds_no_fault_in_the_unit(tmp_path):
    text = "\n".join(unit_lines()).replace("/srv/shop/venv/bin/python", sys.executable)
    unit = tmp_path / "shop.service"
    unit.write_text(text.replace("/srv/shop", str(tmp_path)).replace("User=shop", "User=daemon"))

    assert unit_faults(unit) == ""


def test_the_image_runs_the_cluster_as_the_process_that_gets_the_signals(tmp_path):
    parser = DockerfileParser(path=str(tmp_path), cache_content=True)
    parser.content = (DEPLOY / "Dockerfile").read_text("utf-8")
    instructions = [each["instruction"] for each in parser.structure]
    given = {each["instruction"]: each["value"] for each in parser.structure}

    assert next(each for each in instructions if each != "COMMENT") == "FROM"
    assert yaml.safe_load(given["CMD"]) == QCLUSTER
    assert given["STOPSIGNAL"] == "SIGTERM"
    assert given["USER"] not in ("root", "0")


def test_compose_gives_the_cluster_its_time_to_stop_and_probes_it():
    compose = load("compose.yaml")
    cluster = compose["services"]["cluster"]

    assert cluster["command"] == QCLUSTER
    assert cluster["init"] is True
    assert seconds(cluster["stop_grace_period"]) > Settings.STOP_TIMEOUT
    assert cluster["healthcheck"]["test"] == ["CMD-SHELL", PROBE.replace("$", "$$")]
    for service in compose["services"].values():
        assert service.keys() & {"image", "build"}
        assert set(service.get("depends_on", ())) <= compose["services"].keys()
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in compose["volumes"]


def test_the_deployment_of_kubernetes_stops_in_time_and_is_probed():
    deployment = load("kubernetes.yaml")
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]

    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert pod["terminationGracePeriodSeconds"] > Settings.STOP_TIMEOUT
    assert container["command"] == QCLUSTER
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[name]["exec"]["command"] == ["sh", "-c", PROBE]
        assert container[name]["timeoutSeconds"] >= 10
    # A server that is away for some minutes restarts nothing.
    liveness = container["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 600


def test_heroku_runs_the_cluster_without_a_shell_that_keeps_the_signals():
    lines = (DEPLOY / "Procfile").read_text("utf-8").splitlines()

    processes = dict(re.fullmatch(r"([A-Za-z0-9_-]+): +(.+)", line).groups() for line in lines)

    assert processes["worker"] == f"exec {' '.join(QCLUSTER)}"


def test_supervisor_stops_the_main_process_alone_and_gives_it_time(tmp_path):
    text = (DEPLOY / "supervisor.conf").read_text("utf-8")
    text = (
        text.replace("user=shop\n", "").replace("/srv/shop", "/").replace("/var/log/shop", "/tmp")
    )
    file = tmp_path / "supervisor.conf"
    file.write_text(f"[supervisord]\nlogfile={os.devnull}\n{text}")

    read = subprocess.run(
        [sys.executable, "-c", READ_SUPERVISOR, file], capture_output=True, text=True, check=True
    )

    command, number, wait, as_group = read.stdout.rsplit(maxsplit=3)
    assert command.split()[-2:] == QCLUSTER[-2:]
    assert (number, as_group) == ("15", "False")
    assert int(wait) > Settings.STOP_TIMEOUT
