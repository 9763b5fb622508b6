"""The shop, run by a package of a predecessor or by this one: consoles and clusters."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from tests.waiting import DEADLINE, wait_until
from tests.workspace import end_with_test_run, workspace

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent

#: What is installed to run the shop as it is before the switch.
DJANGO_Q2 = ("django-q2==1.11.1", "croniter", "psycopg[binary]", "redis", "tzdata")
#: The last release, on the last Django that it runs on; it finds error reporters by setuptools.
DJANGO_Q = ("django-q==1.3.9", "Django>=4.2,<5", "croniter", "setuptools<81")


class Unavailable(Exception):
    """Raised when a predecessor can not be installed here."""


@cache
def installed(requirements: tuple[str, ...]) -> Path:
    """Install packages into an environment of their own; its Python.

    Raises ``Unavailable`` where pip can not.
    """
    directory = Path(tempfile.mkdtemp(dir=workspace(), prefix="environment"))
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    python = directory / "bin" / "python"
    # Without compiling what is never imported.
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", *requirements]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"{' '.join(requirements)}: {done.stderr[-1000:]}")
    return python


class Shop:
    """The shop's directory, and the environment of its processes."""

    def __init__(self, database: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.directory = Path(tempfile.mkdtemp(dir=workspace(), prefix="shop"))
        self.database = database
        # A name of its own, as all shops share a Redis server.
        name = self.directory.name
        self.options = {"name": name, "workers": 2, "timeout": 20, "retry": 40, **options}
        self.open: list[Console | ShopCluster] = []

    def environment(self, is_ours: bool, options: Mapping[str, Any]) -> dict[str, str]:
        """Make the environment of a process under one of the packages."""
        kept = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "DJANGO_", "Q_CLUSTER"))
        }  # fmt: skip
        paths = [str(HERE), *([str(CHECKOUT)] if is_ours else [])]
        return {
            **kept,
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "SHOP_DIRECTORY": str(self.directory),
            "SHOP_DATABASE": json.dumps(self.database),
            "SHOP_Q_CLUSTER": json.dumps({**self.options, **options}),
        }

    def popen(
        self, python: Path | str, arguments: list[str], name: str, options: Mapping, **more: Any
    ) -> subprocess.Popen:
        """Start a process under the package that this Python has."""
        environment = self.environment(str(python) == sys.executable, options)
        if name:
            environment["Q_CLUSTER_NAME"] = name
        # Not from the checkout, which would be found before what is installed.
        return subprocess.Popen(
            [str(python), *arguments], env=environment, cwd=self.directory, **more
        )

    def console(
        self, python: Path | str = sys.executable, name: str = "", **options: Any
    ) -> Console:
        """Open a console under the package that this Python has, for a cluster of some name."""
        return self.keep(Console(self, python, name, options))

    def cluster(
        self, python: Path | str = sys.executable, name: str = "", **options: Any
    ) -> ShopCluster:
        """Start a cluster under the package that this Python has, for a queue of some name."""
        return self.keep(ShopCluster(self, python, name, options)).wait_ready()

    def keep(self, process: Any) -> Any:
        """Remember what has to end with the shop."""
        self.open.append(process)
        return process

    def lines(self, file: str) -> list[str]:
        """Read what tasks have noted."""
        path = self.directory / file
        return path.read_text().splitlines() if path.exists() else []

    def close(self) -> None:
        """Leave nothing behind but, for a test that has failed, what was logged."""
        for process in reversed(self.open):
            process.end()
            print(f"--- {process.log_file.stem}:\n{process.log_file.read_text()}")
        shutil.rmtree(self.directory, ignore_errors=True)


class Console:
    """A process of the shop that does what it is asked for."""

    def __init__(
        self, shop: Shop, python: Path | str, name: str, options: Mapping[str, Any]
    ) -> None:
        self.log_file = Path(tempfile.mkdtemp(dir=workspace()), "console.log")
        with open(self.log_file, "wb") as log:
            self.process = shop.popen(
                python,
                ["-m", "shop.console"],
                name,
                options,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def ask(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function there: by its dotted path, or its name in ``django_q.tasks``."""
        try:
            pickle.dump((name, args, kwargs), self.process.stdin)
            self.process.stdin.flush()
            is_well, value = pickle.load(self.process.stdout)
        except (BrokenPipeError, EOFError):
            raise AssertionError(f"the console ended:\n{self.log_file.read_text()}") from None
        assert is_well, value
        return value

    def rows(self, model: str, /, **filters: Any) -> list[dict]:
        """List rows of a model."""
        return self.ask("shop.calls.rows", model, **filters)

    def end(self) -> None:
        """Close it."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(DEADLINE)


class ShopCluster:
    """``python -m django qcluster`` under one of the packages."""

    def __init__(
        self, shop: Shop, python: Path | str, name: str, options: Mapping[str, Any]
    ) -> None:
        directory = Path(tempfile.mkdtemp(dir=workspace()))
        self.log_file = directory / "cluster.log"
        with open(self.log_file, "wb") as log:
            self.process = shop.popen(
                python,
                ["-m", "django", "qcluster"],
                name,
                options,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid_file = end_with_test_run(self.process, directory)

    def log(self) -> str:
        """Read what it has logged."""
        return self.log_file.read_text()

    def wait_ready(self) -> ShopCluster:
        """Wait until it works."""
        try:
            wait_until(lambda: "running." in self.log() and "pushing tasks at" in self.log())
        except AssertionError:
            raise AssertionError(f"the cluster did not start:\n{self.log()}") from None
        return self

    def processes(self) -> list[psutil.Process]:
        """List its processes."""
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> int:
        """Stop it in good order; its exit code."""
        self.process.terminate()
        return self.process.wait(DEADLINE)

    def end(self) -> None:
        """Leave nothing behind: at once, as nothing of it is looked at any more."""
        for member in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self.process.wait(DEADLINE)
        self.pid_file.unlink(missing_ok=True)
