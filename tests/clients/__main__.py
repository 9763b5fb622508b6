"""Runs the own tests of packages that are written for Django Q or django-q2, with this project.

python -m tests.clients [NAME...]

They are installed as docs/upgrade.rst says, without what they require, into a directory that goes
with the run. What they need beside Django Q is listed in tox.ini, at the environment "clients".
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent


class Failed(Exception):
    """Raised when a package can not be had, when a test of it fails, and when it has none."""


@dataclass(frozen=True)
class Client:
    """A package, and how its tests are run."""

    name: str
    version: str
    #: What pytest is told beside the package's own options.
    options: tuple[str, ...] = ()
    #: The oldest Python that it supports.
    python: tuple[int, int] = (3, 10)

    @property
    def requirement(self) -> str:
        """Name it for pip."""
        return f"{self.name}=={self.version}"

    @property
    def archive(self) -> str:
        """Name the directory that its archive has."""
        return f"{self.name.replace('-', '_')}-{self.version}"


CLIENTS = (
    # In one process: these take less time than it takes to start the processes they ask for.
    Client("django-q-registry", "0.5.0", options=("--numprocesses=0",)),
    Client("django-q-signals", "0.3.0", options=("--numprocesses=0",)),
    Client("django-q-watchdog", "0.1.1"),
    # Its tests stand beside its modules; the settings that its options name are not in the archive,
    # and these options ask for a report of coverage.
    Client(
        "django-telegram-q2",
        "1.0.0",
        options=(
            "--override-ini=addopts=",
            "--ds=telegram_settings",
            "--pyargs",
            "django_telegram_q2",
        ),
        python=(3, 11),
    ),
)


def pip(*arguments: str) -> None:
    """Run pip, with whatever index it is configured for."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def install(clients: Sequence[Client], directory: Path) -> None:
    """Install packages into a directory, and unpack their archives, which have the tests."""
    names = ",".join(client.name for client in clients)
    requirements = [client.requirement for client in clients]
    pip("install", "--quiet", "--no-deps", f"--target={directory / 'site'}", *requirements)
    pip("download", "--quiet", "--no-deps", f"--no-binary={names}", f"--dest={directory}",
        *requirements)  # fmt: skip
    for archive in directory.glob("*.tar.gz"):
        shutil.unpack_archive(archive, directory)


def environment(directory: Path) -> dict[str, str]:
    """Make the environment of a package's tests, which shall find this project and no other."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("DJANGO_", "PYTEST_", "PYTHON", "Q_CLUSTER"))
    }  # fmt: skip
    paths = [directory / "site", CHECKOUT, HERE]
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def run_tests(client: Client, directory: Path) -> str:
    """Run the tests of a package; what ran."""
    report = directory / f"{client.name}.xml"
    command = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={report}", *client.options]
    done = subprocess.run(
        command,
        cwd=directory / client.archive,
        env=environment(directory),
        capture_output=True,
        text=True,
    )
    if done.returncode:  # pytest's own where it has collected none, too
        raise Failed(done.stdout + done.stderr)
    counts = ElementTree.parse(report).find("testsuite").attrib
    skipped = int(counts["skipped"])
    ran = int(counts["tests"]) - skipped
    if not ran:
        raise Failed(f"none of its tests ran:\n{done.stdout}")
    return f"{ran} passed" + (f", {skipped} skipped" if skipped else "")


def run(clients: Sequence[Client], directory: Path) -> list[str]:
    """Run the tests of packages and say what ran; those that failed."""
    here = [client for client in clients if sys.version_info >= client.python]
    for client in clients:
        if client not in here:
            print(f"{client.requirement}: left out; it is for later releases of Python")
    if not here:
        raise Failed("None of them supports this Python.")
    install(here, directory)
    failed = []
    for client in here:
        try:
            said = run_tests(client, directory)
        except Failed as failure:
            said = f"FAILED\n{failure}"
            failed.append(client.requirement)
        print(f"{client.requirement}: {said}", flush=True)
    return failed


def main(names: Sequence[str]) -> str | None:
    """Run what is named, or all; what is wrong."""
    known = {client.name: client for client in CLIENTS}
    if unknown := sorted({*names} - {*known}):
        return f"No such client: {', '.join(unknown)}. There are: {', '.join(known)}."
    with tempfile.TemporaryDirectory(prefix="django_q-clients-") as directory:
        try:
            failed = run([known[name] for name in names or known], Path(directory))
        except Failed as failure:
            return str(failure)
    return f"Failed: {', '.join(failed)}" if failed else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
