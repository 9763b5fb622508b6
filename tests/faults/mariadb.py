"""A MariaDB server of one's own, where the machine has its programs."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from functools import cache

from tests import servers


@cache
def is_here() -> bool:
    """Whether the server and Python's way to it are installed."""
    programs = shutil.which("mariadbd") and shutil.which("mariadb-install-db")
    return bool(programs) and importlib.util.find_spec("MySQLdb") is not None


class MariaDbServer(servers.DatabaseServer):
    """A MariaDB server that trusts the loopback interface."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mysql://root@127.0.0.1:{self.port}/django_q_faults"

    def own(self) -> list[str]:
        """Give the options that keep it to its own directory."""
        # Several of them at once would use up what the kernel has of asynchronous input and output.
        quiet = "--innodb-use-native-aio=0"
        places = [f"--datadir={self.directory / 'db'}", f"--tmpdir={self.directory}"]
        return ["--no-defaults", *places, quiet]

    def command(self) -> list[str]:
        return [
            str(shutil.which("mariadbd")),
            *self.own(),
            f"--socket={self.directory / 's'}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--character-set-server=utf8mb4",
            "--innodb-buffer-pool-size=32M",
            # A commit reaches the system, which is enough for a server that is killed.
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def prepare(self) -> None:
        """Make the files of a new server."""
        if self.user:
            shutil.chown(self.directory, self.user)
        options = ["--skip-test-db", "--auth-root-authentication-method=normal"]
        command = [str(shutil.which("mariadb-install-db")), *self.own(), *options]
        made = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.popen_options()
        )
        assert made.returncode == 0, made.stdout.decode()[-3000:]
