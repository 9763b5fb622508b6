"""docs/doctor.rst has each finding."""

from __future__ import annotations

import ast
import re

import pytest

from tests.source_code import MODULES, ROOT

pytestmark = pytest.mark.once

MAKERS = {"error", "warning", "info", "make"}
#: An id in the source that is a name, for the value it has.
NAMED_IDS = {"finding_id": ["schedule-function", "schedule-hook"]}


def made_ids() -> set[str]:
    """List the ids of the findings that the source makes."""
    calls = [
        node
        for module, tree in MODULES.items()
        if module == "doctor.diagnosis" or module.startswith("doctor.subjects.")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MAKERS
    ]
    first = [call.args[0] for call in calls]
    named = [each for node in first for each in NAMED_IDS.get(getattr(node, "id", ""), ())]
    return {node.value for node in first if isinstance(node, ast.Constant)} | set(named)


def test_the_page_has_each_finding_and_no_other():
    page = (ROOT / "docs" / "doctor.rst").read_text("utf-8")
    described = re.findall(r"^   \* - ``([a-z]+(?:-[a-z]+)+)``$", page, re.MULTILINE)

    assert sorted(described) == sorted(made_ids())
