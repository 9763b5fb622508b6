"""What ``python -m build`` puts into the package."""

from __future__ import annotations

import fnmatch
import shutil
import subprocess
import sys
import tarfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest

from django_q import VERSION

CHECKOUT = Path(__file__).parent.parent

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]


def files_below(directory: Path) -> set[str]:
    """Name the files of a source directory, as they stand in a package."""
    return {
        path.relative_to(directory.parent).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".pyo")
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy, so that nothing is left in the checkout, and with what is installed."""
    copy = tmp_path_factory.mktemp("packaging") / "checkout"
    left_out = (".*", "__pycache__", "*.egg-info", "build", "dist", "var")
    shutil.copytree(CHECKOUT, copy, ignore=shutil.ignore_patterns(*left_out))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist"]
    # Not from the checkout's own directory, where a folder "build" would be taken for the module.
    done = subprocess.run([*command, str(copy)], cwd=copy.parent, capture_output=True, text=True)
    assert not done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    return copy.parent / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> ZipFile:
    with ZipFile(next(built.glob("*.whl"))) as archive:
        yield archive


@pytest.fixture
def metadata(wheel: ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_the_wheel_holds_every_file_of_the_package_and_no_other(wheel):
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert packed == files_below(CHECKOUT / "django_q")


@pytest.mark.parametrize(
    "pattern",
    [
        "django_q/py.typed",
        "django_q/migrations/0001_initial.py",
        "django_q/management/commands/qcluster.py",
        "django_q/locale/*/LC_MESSAGES/django.mo",
        "django_q/templates/*.html",
        "django_q/static/*",
    ],
)
def test_the_wheel_holds_what_a_site_needs(wheel, pattern):
    assert fnmatch.filter(wheel.namelist(), pattern)


def test_the_version_is_that_of_the_source(metadata):
    assert metadata["Version"] == ".".join(map(str, VERSION))


def test_the_licence_travels_along(wheel, metadata):
    assert metadata["License-Expression"] == "MIT"
    assert [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]


def test_the_source_archive_can_run_the_tests(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}

    assert {"tox.ini", "pyproject.toml", "setup.py", "example/demo.py"} <= packed
    assert files_below(CHECKOUT / "tests") <= packed
