"""Pages that show names which nobody would choose: no page is lost for them."""

from __future__ import annotations

from html import unescape
from re import findall

import pytest

from django_q.models import Unfinished
from tests.integration.admin.pages import url
from tests.integration.dashboard.visits import ALONE, page_url
from tests.integration.unfinished.queued import beat, payload_of, put, run

pytestmark = pytest.mark.django_db

#: Of a file whose name is not UTF-8, as ``os.fsdecode`` gives it; and others.
NAMES = ("caf\udce9.txt", "two\nlines", 'a "quote"', "<i>", "%s %(x)d", "*?[a]", "x" * 900, "\0")


def test_each_page_shows_tasks_of_these_names(admin_client, make_broker):
    broker = make_broker("memory")
    waiting = {f"{number:032x}": name for number, name in enumerate(NAMES)}
    running = {f"{number:032x}": name for number, name in enumerate(NAMES, 100)}
    put(broker, "c" * 32)
    for task_id, name in waiting.items():
        broker.enqueue(payload_of(task_id, name, name=name, group=name))
    beat(broker, running=[run(task_id, name=name, func=name, group=name, note=name)
                          for task_id, name in running.items()])  # fmt: skip
    lists = [page_url(page, place=ALONE) for page in ("overview", "tasks", "queues", "clusters")]
    lists += [page_url("queue", "test", place=ALONE), url(Unfinished)]
    own = [page_url("task", each, place=ALONE) + "?queue=test" for each in (*waiting, *running)]

    for address in (*lists, *own):
        page = admin_client.get(address)
        assert page.status_code == 200, address
        assert b"errornote" not in page.content, address
        assert b"<i>" not in page.content, address


def test_the_link_to_the_group_of_a_task_finds_its_tasks(admin_client, make_broker):
    broker = make_broker("memory")
    tasks = {f"{number:032x}": name for number, name in enumerate(NAMES)}
    for task_id, name in tasks.items():
        broker.enqueue(payload_of(task_id, group=name))

    for task_id, name in tasks.items():
        page = admin_client.get(page_url("task", task_id) + "?queue=test").content.decode()
        (link,) = findall(r'href="([^"]+q=group[^"]+)"', page)
        found = admin_client.get(unescape(link))
        assert page_url("task", task_id) in found.content.decode(), name
