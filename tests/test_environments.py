"""Where the environments of tox look for the tests that are theirs."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.once


def folders_of(environment: str) -> list[Path]:
    """Read in which folders an environment looks."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    return [ROOT / folder for folder in tox[f"testenv:{environment}"]["folders"].split()]


def files_with(mark: str) -> list[Path]:
    """List the files with tests that have a mark."""
    marked = re.compile(rf"\bmark\.{mark}\b")
    return [
        path
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if marked.search(path.read_text("utf-8"))
    ]


@pytest.mark.parametrize(
    ("mark", "environment"),
    [
        ("processes", "processes"),
        ("disturbances", "disturbances"),
        ("faults", "disturbances"),
        ("switch", "switch"),
    ],
)
def test_an_environment_looks_where_its_tests_are(mark, environment):
    folders = folders_of(environment)
    elsewhere = [
        str(path.relative_to(ROOT))
        for path in files_with(mark)
        if not any(path.is_relative_to(folder) for folder in folders)
    ]

    assert files_with(mark)
    assert elsewhere == [], f"add the folder to [testenv:{environment}] of tox.ini"
