"""The servers that tests start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from tests import servers
from tests.workspace import WORKSPACE, workspace

KILLED = """
import os, signal, subprocess
from tests import servers
from tests.workspace import end_with_test_run, workspace
other = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
end_with_test_run(other)
print(workspace(), servers.RedisServer().start().port, other.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_test_run_that_is_killed_leaves_nothing_behind(monkeypatch, wait_until):
    monkeypatch.delenv(WORKSPACE)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], text=True, stdout=subprocess.PIPE, check=False
    )
    place, port, pid = killed.stdout.split()

    wait_until(lambda: not Path(place).exists())

    assert listens(int(port)) is False
    wait_until(lambda: not psutil.pid_exists(int(pid)))


CHILD = """
from tests import servers
from tests.workspace import workspace
print(servers.RedisServer().start().port, workspace(), flush=True)
"""


def test_a_process_that_a_test_starts_leaves_the_servers_of_the_test_run_alone(wait_until):
    server = servers.RedisServer().start()

    child = subprocess.run([sys.executable, "-c", CHILD], text=True, stdout=subprocess.PIPE)

    port, place = child.stdout.split()
    assert Path(place) == workspace()
    wait_until(lambda: not watchers_of(place, but=os.getpid()))
    assert server.answers() is True
    assert workspace().exists()
    assert listens(int(port)) is False
    server.stop()


def listens(port: int) -> bool:
    """Whether a server is at a port of the loopback interface."""
    server = servers.RedisServer.__new__(servers.RedisServer)
    server.port = port
    return server.answers()


def watchers_of(place: str, but: int) -> list[psutil.Process]:
    """Find the processes that watch over the files of a test run, but for those of one process."""
    found = psutil.process_iter(["cmdline"])
    lines = [(process, process.info["cmdline"] or []) for process in found]
    return [process for process, line in lines if place in line and str(but) != line[-3]]


def test_a_server_that_refuses_to_stop_for_now_is_stopped_later():
    server = servers.RedisServer().start()
    with server.client() as client:
        client.mset(dict.fromkeys(range(100), "value"))
        client.config_set("rdb-key-save-delay", 30_000)  # microseconds a key
        client.config_set("appendonly", "yes")
        process = server.process

    server.stop()

    assert process.returncode == 0
    assert "can't exit" in (server.directory / "output.log").read_text()


def test_a_server_keeps_its_files_when_it_is_restarted():
    server = servers.RedisServer(appendonly="yes").start()
    with server.client() as client:
        client.set("key", "value")

        server.restart()

        assert client.get("key") == b"value"
    server.stop()
