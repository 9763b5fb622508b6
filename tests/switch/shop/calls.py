"""What tests call in the process of a shop, beyond ``django_q.tasks``."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from shop import tasks

from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.tasks import async_task


def migrate() -> None:
    """Bring the tables up to the package that is installed."""
    call_command("migrate", verbosity=0)


def rows(model: str, /, **filters: Any) -> Any:
    """List the rows of one of the package's models."""
    return apps.get_model("django_q", model).objects.filter(**filters).order_by("pk")


def ask_row(model: str, pk: Any, method: str, *args: Any) -> Any:
    """Call a method of a row."""
    return getattr(apps.get_model("django_q", model).objects.get(pk=pk), method)(*args)


def change(model: str, pk: Any, /, **values: Any) -> None:
    """Change a row."""
    apps.get_model("django_q", model).objects.filter(pk=pk).update(**values)


def sizes(cluster: str | None = None) -> tuple[int, int]:
    """Count what waits on the queue and what is taken."""
    broker = get_broker(cluster)
    return broker.queue_size(), broker.lock_size()


def take() -> int:
    """Take all there is from the queue, as a cluster would, and never say what became of it."""
    count = 0
    while found := get_broker().dequeue():
        count += len(found)
    return count


def hide(count: int) -> list:
    """Take the last packages off the queue, for ``bring_back``."""
    if Conf.ORM:
        found = list(apps.get_model("django_q", "OrmQ").objects.order_by("-pk")[:count])
        for row in found:
            row.delete()
        return [row.payload for row in found]
    broker = get_broker()
    return [broker.connection.rpop(broker.list_key) for _ in range(count)]


def bring_back(payloads: list) -> None:
    """Put packages back on the queue."""
    for payload in payloads:
        get_broker().enqueue(payload)


def options() -> dict:
    """Tell what came of ``Q_CLUSTER``."""
    names = [name for name in dir(Conf) if name.isupper() and name[0] != "_"]
    return {name: getattr(Conf, name) for name in names}


def send_function(func: str, *args: Any, hook: str) -> str:
    """Enqueue a task of the shop by its function, with a function as its hook."""
    return async_task(getattr(tasks, func), *args, hook=getattr(tasks, hook))


def sell_with_terms(number: int, seconds: float, **terms: Any) -> str:
    """Enqueue a sale with terms, which the predecessors do not know; the id of the task."""
    from django_q.brokers.terms import Terms
    from django_q.signing import SignedPackage

    package = {
        "id": uuid4().hex,
        "name": f"sale-{number}",
        "func": "shop.tasks.sell",
        "args": (number, seconds),
        "kwargs": {},
        "started": timezone.now(),
    }
    found = get_broker().enqueue_task(SignedPackage.dumps(package), Terms(package["id"], **terms))
    return found.task_id


def names_left(ids: list[str], keys: list[str]) -> list:
    """List what the broker still knows of these tasks and unique keys."""
    from django_q.brokers.terms import Terms

    broker = get_broker()
    found = [broker.find_duplicate(Terms("new", unique=key)) for key in keys]
    return [each for each in [*map(broker.find, ids), *found, *broker.list_tasks()] if each]


def move_last(key: str) -> None:
    """Move the row that was queued last to another queue."""
    row = apps.get_model("django_q", "OrmQ").objects.order_by("pk").last()
    change("OrmQ", row.pk, key=key)


@cache
def visitor() -> Client:
    """Sign in to the admin, once."""
    user, _ = get_user_model().objects.get_or_create(
        username="keeper", is_staff=True, is_superuser=True
    )
    client = Client()
    client.force_login(user)
    return client


def page(name: str, *args: Any) -> str:
    """Read a page of the admin."""
    response = visitor().get(reverse(f"admin:django_q_{name}", args=args))
    if response.status_code != 200:
        raise ValueError(f"{name} {args}: {response.status_code} {response.get('Location')}")
    return response.content.decode()


def act(model: str, action: str, pks: list) -> int:
    """Run an action of the admin on rows; the status of the answer."""
    address = reverse(f"admin:django_q_{model}_changelist")
    return visitor().post(address, {"action": action, "_selected_action": pks}).status_code


def stats() -> list[dict]:
    """List what the clusters say of themselves."""
    from django_q.status import Stat  # Django Q has it elsewhere

    return [{**vars(stat), "uptime": stat.uptime()} for stat in Stat.get_all()]
