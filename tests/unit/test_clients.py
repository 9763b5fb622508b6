"""What is said of packages whose own tests run with this project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.__main__ import Client, Failed, main, run_tests

pytestmark = pytest.mark.once

CLIENT = Client("some-client", "1.0")


def run(directory: Path, source: str) -> str:
    """Run the tests of a package that has these."""
    archive = directory / "some_client-1.0"
    archive.mkdir()
    (archive / "test_it.py").write_text(source)
    return run_tests(CLIENT, directory)


def test_the_tests_that_ran_are_counted_without_those_that_were_skipped(tmp_path):
    source = """
import pytest

def test_one():
    pass

@pytest.mark.skip
def test_other():
    pass
"""
    assert run(tmp_path, source) == "1 passed, 1 skipped"


def test_a_client_meets_the_project_of_this_checkout(tmp_path):
    package = str(Path(__file__).parents[2] / "django_q" / "__init__.py")
    source = f"""
import django_q

def test_it():
    assert django_q.__file__ == {package!r}
"""
    assert run(tmp_path, source) == "1 passed"


@pytest.mark.parametrize(
    "source",
    [
        "def test_it(): assert False",
        "import no_such_module",
        "",
        "import pytest\n@pytest.mark.skip\ndef test_it(): pass",
    ],
    ids=["fails", "can not be imported", "none", "all skipped"],
)
def test_a_client_without_tests_that_pass_is_a_failure(tmp_path, source):
    with pytest.raises(Failed):
        run(tmp_path, source)


def test_a_client_that_is_not_known_is_refused_with_those_that_are():
    assert main(["django-q-registy"]).startswith(
        "No such client: django-q-registy. There are: django-q-registry, "
    )
