"""The tutorial, followed from its first line to its last in an empty directory."""

from __future__ import annotations

import pytest

from tests.walkthrough import FOLLOWED_PAGES, Walkthrough, steps

#: Some fifteen seconds of a processor, which is the tenth part where others need it as well. Each
#: wait has a limit of its own.
pytestmark = [pytest.mark.first_hour, pytest.mark.processes, pytest.mark.timeout(600)]


@pytest.fixture
def walkthrough(tmp_path):
    """Follow pages in an empty directory."""
    walkthrough = Walkthrough(tmp_path)
    yield walkthrough
    walkthrough.close()


@pytest.mark.parametrize("page", FOLLOWED_PAGES)
def test_the_tutorial_works_as_it_is_pasted(walkthrough, page):
    for step in steps(page):
        walkthrough.take(step)

    assert "Subject: The report" in walkthrough.log("second-terminal").read_text()
