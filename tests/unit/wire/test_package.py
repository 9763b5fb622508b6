"""The shape of a task on the wire."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from django_q.exceptions import PackageError
from django_q.humanhash import humanize
from django_q.wire.package import (
    checked_package,
    derived_id,
    link_parts,
    new_package,
    next_link,
    take_options,
)
from tests.tasks import echo

NOW = datetime(2025, 5, 5, 9, tzinfo=timezone.utc)


def finished(success: bool = True, **options: Any) -> dict[str, Any]:
    """Make a package that has been executed."""
    return {**new_package(echo, (1,), {}, options), "success": success}


def test_a_package_has_an_id_a_name_and_the_call():
    package = new_package(echo, [1, 2], {"x": 3}, {})

    assert set(package) == {"id", "name", "func", "args", "kwargs", "started"}
    assert len(package["id"]) == 32
    assert package["name"] == humanize(package["id"])
    assert (package["func"], package["args"], package["kwargs"]) == (echo, (1, 2), {"x": 3})
    assert package["started"].tzinfo


def test_a_package_takes_the_options_that_it_knows_and_that_are_set():
    options = {"group": "g", "hook": None, "broker": object(), "gruop": 1, "task_name": "mine"}

    package = new_package(echo, (), {}, options)

    assert package["name"] == "mine"
    assert package.keys() - {"id", "name", "func", "args", "kwargs", "started"} == {"group"}


def test_options_are_split_from_the_arguments():
    kwargs = {"group": "a", "x": 1, "broker": "b", "q_options": {"group": "c", "whatever": 2}}

    options, rest = take_options(kwargs)

    assert options == {"group": "c", "broker": "b", "whatever": 2}
    assert rest == {"x": 1}
    assert len(kwargs) == 4


@pytest.mark.parametrize(
    ("link", "parts"),
    [
        ("f", ("f", (), {})),
        (echo, (echo, (), {})),
        (("f",), ("f", (), {})),
        (("f", (1, 2)), ("f", (1, 2), {})),
        (("f", [1, 2]), ("f", (1, 2), {})),
        (("f", 1), ("f", (1,), {})),
        (("f", "text"), ("f", ("text",), {})),
        (("f", {"x": 1}), ("f", (), {"x": 1})),
        (("f", (1,), {"x": 1}), ("f", (1,), {"x": 1})),
        (["f", [1], {}], ("f", (1,), {})),
    ],
)
def test_a_link_has_a_function_and_maybe_arguments(link, parts):
    assert link_parts(link) == parts


@pytest.mark.parametrize("link", [("f", (1,), {"x": 1}, 2), (), None, 5])
def test_what_is_no_link_is_refused(link):
    with pytest.raises(PackageError, match="A call must be"):
        link_parts(link)


def test_the_next_link_inherits_and_derives_its_id():
    package = finished(group="g", cached=5, cluster="c", chain=[("f", (1,)), "g"], hook=echo)

    link = next_link(package, None)

    assert link["id"] == next_link(package, None)["id"] == derived_id(package["id"], "next")
    assert (link["func"], link["args"], link["chain"]) == ("f", (1,), ["g"])
    assert (link["group"], link["cached"], link["cluster"]) == ("g", 5, "c")
    assert "hook" not in link
    assert package["chain"] == [("f", (1,)), "g"]


def test_the_last_link_has_nothing_in_tow():
    assert "chain" not in next_link(finished(chain=["f"]), None)


def test_a_failure_ends_the_chain_unless_told():
    assert next_link(finished(success=False, chain=["f"]), None) is None

    options = {"chain": ["f"], "chain_options": {"continue_on_failure": True}}
    assert next_link(finished(success=False, **options), None)["func"] == "f"


def test_the_result_is_passed_on_where_asked():
    package = finished(chain=[("f", (1,))], chain_options={"pass_result": True})

    link = next_link(package, "result")

    assert link["args"] == ("result", 1)
    assert link["chain_options"] == {"pass_result": True}


def test_a_package_from_the_wire_is_completed():
    package = checked_package({"id": "a", "name": "n", "func": "f", "started": NOW, "args": [1]})

    assert (package["args"], package["kwargs"]) == ((1,), {})
    assert checked_package({**package, "args": "text"})["args"] == ("text",)
    assert checked_package({**package, "args": None})["args"] == ()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("text", "must be a dict, got str"),
        ({"id": "a"}, "has no name and no func"),
        ({"id": "", "name": "n", "func": "f", "started": NOW}, "id must be"),
        ({"id": "a" * 33, "name": "n", "func": "f", "started": NOW}, "id must be"),
        ({"id": 5, "name": "n", "func": "f", "started": NOW}, "id must be"),
        ({"id": "a", "name": "n", "func": 5, "started": NOW}, "func must be a name or callable"),
        ({"id": "a", "name": "n", "func": "f"}, "started must be a datetime"),
        ({"id": "a", "name": "n", "func": "f", "started": NOW, "kwargs": [1]}, "kwargs must be"),
    ],
)
def test_what_is_no_package_is_said_to_be_none(fault, message):
    with pytest.raises(PackageError, match=message):
        checked_package(fault)


def test_a_package_with_links_in_tow_has_what_a_cluster_of_django_q2_asks_it_for():
    package = new_package(echo, (), {}, {"chain": ["f"]})

    assert (package["group"], package["cached"], package["sync"]) == (None, False, False)
