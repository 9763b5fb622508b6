"""Each public name of the predecessors is where the documentation says that it is."""

from __future__ import annotations

import csv
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class
from django.utils import timezone

from django_q.cluster import save_task
from django_q.conf import Conf, Settings, attribute_name
from django_q.models import Task
from django_q.wire.package import KNOWN_OPTIONS, new_package
from tests.tasks import multiply

NAMES = Path(__file__).parent.parent / "docs" / "names"
CODE = re.compile(r"``([^`]+)``")

#: The options of ``async_task`` that the predecessors have.
OPTIONS = """
    hook group save sync cached ack_failure iter_count iter_cached chain broker cluster timeout
    task_name redis list_key
""".split()
COMMANDS = {
    "qcluster": {"--run-once", "--name", "-n"},
    "qmonitor": {"--run-once"},
    "qinfo": {"--config", "--ids"},
    "qmemory": {"--run-once", "--workers"},
}


def rows(table: str) -> list[list[str]]:
    """Read a table of the documentation, without its header."""
    with (NAMES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def places() -> list[tuple[str, str]]:
    """List each name with each module that it is to be imported from."""
    tables = sorted(path.stem for path in NAMES.glob("*.csv") if path.stem != "settings")
    return [
        (home, name)
        for table in tables
        for names, homes, _ in rows(table)
        for home in CODE.findall(homes)
        for name in CODE.findall(names)
    ]


def member(owner: Any, name: str) -> Any:
    """Find an attribute of a class, or one that its instances have."""
    if hasattr(owner, name):
        return getattr(owner, name)
    return getattr(owner(*INSTANCES.get(owner.__name__, ())), name)


#: Arguments of classes whose attributes are set when they are made.
INSTANCES: dict[str, tuple] = {"AsyncTask": (multiply,), "Status": (1,)}


@pytest.mark.filterwarnings("ignore:Async is now AsyncTask")
@pytest.mark.parametrize(("home", "name"), places())
def test_a_name_is_importable_from_its_home(redis_url, home, name):
    first, *rest = name.split(".")
    found = getattr(import_module(home), first)
    for part in rest:
        found = member(found, part)


@pytest.mark.parametrize(("keys", "attributes", "state"), rows("settings"))
def test_a_setting_is_there_unless_it_is_left_out(keys, attributes, state):
    known = {field.name for field in fields(Settings)}

    for key in CODE.findall(keys):
        assert (attribute_name(key) in known) is bool(attributes)
    for name in CODE.findall(attributes):
        assert hasattr(Conf, name)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_async_task_is_known(option):
    assert option in KNOWN_OPTIONS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_its_options(command):
    parser = load_command_class("django_q", command).create_parser("manage.py", command)

    assert COMMANDS[command] <= set(parser._option_string_actions)


def test_each_name_stands_in_the_tables_once():
    assert len(places()) == len(set(places()))


@pytest.mark.django_db
def test_save_task_saves_a_finished_package():
    package = new_package("f", (), {}, {})
    package.update(result=6, success=True, stopped=timezone.now())

    save_task(package, None)

    assert Task.objects.get().result == 6
