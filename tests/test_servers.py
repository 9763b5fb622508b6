"""The servers that tests start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from tests import servers
from tests.workspace import WORKSPACE

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
    workspace, port, pid = killed.stdout.split()

    wait_until(lambda: not Path(workspace).exists())

    server = servers.RedisServer.__new__(servers.RedisServer)
    server.port = int(port)
    assert server.answers() is False
    wait_until(lambda: not psutil.pid_exists(int(pid)))


def test_a_server_keeps_its_files_when_it_is_restarted():
    server = servers.RedisServer(appendonly="yes").start()
    with server.client() as client:
        client.set("key", "value")

        server.restart()

        assert client.get("key") == b"value"
    server.stop()
