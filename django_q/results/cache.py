"""Results in the cache: of tasks that have the option ``cached``.

A result has a key of its own, ``{list_key}:{task_id}``, as in the predecessors; its value is a
signed package. A group is a series of numbered keys, each of which is added in one step and holds
the id of a task, and a key that counts them. No value is read, changed and written back, so two
monitors overwrite nothing of each other, on any cache whose ``add`` is atomic (Redis, Memcached,
database, memory). A group of a predecessor's cluster is one list of keys; it is only read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import md5
from itertools import count
from math import isnan
from typing import Any
from uuid import uuid4

from django.core.cache.backends.base import DEFAULT_TIMEOUT

from django_q.brokers.base import Broker
from django_q.brokers.broker_cache import shared_broker
from django_q.conf import Conf, logger
from django_q.exceptions import StoreUnavailable, contain_error
from django_q.models import Task
from django_q.results import cached_format
from django_q.results.rows import PICKLED_COLUMNS, unpickled
from django_q.results.saving import as_task
from django_q.servers.connections import cache_of
from django_q.text.error_text import error_summary, safe_repr, safe_str
from django_q.text.function_names import dotted_name
from django_q.wire.package import TaskPackage

#: Backends whose values only the process that wrote them can read, or none.
UNSHARED_CACHE_BACKENDS = (
    "django.core.cache.backends.locmem.LocMemCache",
    "django.core.cache.backends.dummy.DummyCache",
)
#: Keys of a group that are read at a time.
GROUP_PAGE_SIZE = 100
#: Members of a group at most: a larger count is not of this project, and too many keys to read.
MAX_GROUP_MEMBERS = 10_000_000
#: Seconds for which results wait for a cache that accepts nothing.
CACHE_OUTAGE_SECONDS = 30.0
#: Seconds above which a result is kept for ever.
MAX_CACHE_SECONDS = 1e9
#: Keys that a package has only until its task is completed.
UNCACHED_KEYS = ("ack_id", "leased_until", "handed_back", "resumed")


class CacheOutage:
    """Since when the cache accepts nothing; None while it works."""

    since: float | None = None  # monotonic


def save(package: TaskPackage, broker: Broker | None = None, waits: bool = False) -> None:
    """Store a finished task in the cache, for as long as its ``cached`` says. May be repeated.

    A value that the cache refuses, as for its size, is stored as text. Where it accepts nothing
    at all and the caller ``waits``, raises ``StoreUnavailable`` for ``CACHE_OUTAGE_SECONDS``.
    After that results are lost until it works again: a cache may drop values at any time anyway,
    and other tasks must not wait for it.
    """
    for store in result_stores(broker):
        try:
            store.put(package, result_payload(package))
            CacheOutage.since = None
        except BaseException as refusal:  # whatever a cache raises
            contain_error(refusal)
            if waits:
                check_away(refusal)
            put_text(store, package, refusal)


def check_away(error: BaseException) -> None:
    """Raise ``StoreUnavailable`` in the first ``CACHE_OUTAGE_SECONDS`` of an outage."""
    if takes_results():
        CacheOutage.since = None
        return
    now = time.monotonic()
    CacheOutage.since = CacheOutage.since or now
    if now - CacheOutage.since < CACHE_OUTAGE_SECONDS:
        raise StoreUnavailable(f"the cache '{Conf.CACHE}'") from error


def takes_results() -> bool:
    """Return True if the cache accepts a small value."""
    try:
        cache_of(Conf.CACHE).set("django_q:probe", "", 1)
    except BaseException as error:
        contain_error(error)
        return False
    return True


def put_text(store: CachedResults, package: TaskPackage, refusal: BaseException) -> None:
    """Store a finished task with its values as text, and log whether that succeeded."""
    func, name = dotted_name(package["func"]), package["name"]
    try:
        store.put(package, text_payload(package))
    except BaseException as error:
        contain_error(error)
        logger.error(
            "the result of '%s' (%s) is not in the cache: %s", func, name, error_summary(error)
        )
    else:
        logger.error(
            "the result of '%s' (%s) is cached as text: %s", func, name, error_summary(refusal)
        )


def cache_timeout(cached: Any) -> Any:
    """Return the timeout for an option ``cached``; that of the cache where it has no meaning."""
    if cached is True:
        return None
    try:
        seconds = float(cached)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_TIMEOUT
    if isnan(seconds):
        return DEFAULT_TIMEOUT
    return (
        None
        if seconds > MAX_CACHE_SECONDS
        else cached
        if isinstance(cached, (int, float))
        else seconds
    )


def result_stores(broker: Broker | None) -> list[CachedResults]:
    """List the stores of cached results that a finished task goes to.

    A cluster with a name of its own stores it under the name of the project's cluster as well, so
    that it is found without naming the cluster.
    """
    found = [CachedResults.of(broker)]
    if Conf.CLUSTER_NAME != Conf.PREFIX:
        found.append(CachedResults(shared_broker(Conf.PREFIX).list_key))
    return found


@dataclass(frozen=True)
class CachedResults:
    """The store of cached results for the tasks of one queue."""

    list_key: str

    @classmethod
    def of(cls, broker: Broker | None = None) -> CachedResults:
        """Find the store for the queue of a broker; of the broker in the settings for None."""
        return cls((broker or shared_broker()).list_key)

    @property
    def cache(self) -> Any:
        """The cache that ``Q_CLUSTER['cache']`` names."""
        return cache_of(Conf.CACHE)

    def key(self, task_id: str) -> str:
        """Name the key of a task's result."""
        return f"{self.list_key}:{task_id if is_safe_key(task_id) else digest(task_id)}"

    def member_key(self, group_id: str, number: int | str) -> str:
        """Name the key of a group's member, or of their count."""
        return f"{self.list_key}:{digest(group_id)}:{number}"

    def put(self, package: TaskPackage, value: str) -> None:
        """Store a finished task, and add it to its group."""
        timeout = cache_timeout(package["cached"])
        self.cache.set(self.key(package["id"]), value, timeout)
        if package.get("group"):
            self.add_to_group(safe_str(package["group"]), package["id"], timeout)

    def add_to_group(self, group_id: str, task_id: str, timeout: float | None) -> None:
        """Add a task to a group. Twice does no harm: readers count each task once."""
        counter = self.member_key(group_id, "count")
        self.cache.add(counter, 0, timeout)
        try:
            number = self.cache.incr(counter)
        except Exception:  # it was evicted just now, or is no number
            self.cache.delete(counter)
            self.cache.add(counter, 1, timeout)
            number = 1
        # A cache that counts in two steps gives a number twice: then take the next free one.
        while not self.cache.add(self.member_key(group_id, number), task_id, timeout):
            number += 1
        self.cache.touch(counter, timeout)

    def result(self, task_id: str) -> tuple[Any] | None:
        """Find the result of a task, in a tuple because it may be None itself."""
        package = cached_format.read(self.get(self.key(task_id)), task_id)
        return (package["result"],) if package else None

    def fetch(self, task_id: str) -> Task | None:
        """Find a task; the Task is not saved."""
        package = cached_format.read(self.get(self.key(task_id)), task_id)
        return as_task(package) if package else None

    def find_many(self, kind: str, names: Sequence[str]) -> dict[str, Any]:
        """Find what ``result`` or ``fetch`` would, as ``kind`` says, by id."""
        keys = {task_id: self.key(task_id) for task_id in names}
        values = self.get_many(list(keys.values()))
        found = {
            task_id: cached_format.read(values.get(key), task_id) for task_id, key in keys.items()
        }
        make = (lambda package: (package["result"],)) if kind == "result" else as_task
        return {task_id: make(package) for task_id, package in found.items() if package}

    def packages(self, group_id: str) -> list[TaskPackage]:
        """List the finished packages of a group, in the order they came."""
        keys = {task_id: self.key(task_id) for task_id in self.members(group_id)}
        found = self.get_many(list(keys.values()))
        packages = [cached_format.read(found.get(key), task_id) for task_id, key in keys.items()]
        return [package for package in packages if package]

    def get(self, key: str) -> Any:
        """Read a value; None for one that is not there, or that the cache itself can not read.

        Raises what the cache raises when it is away: a finished task must not be reported as
        unfinished then.
        """
        try:
            return self.cache.get(key)
        except Exception:  # unpickling failed, or the key has another type on the server
            self.ping()
            return None

    def get_many(self, keys: list[str]) -> dict[str, Any]:
        """Read those values that can be read, by key."""
        try:
            return self.cache.get_many(keys)
        except Exception:
            self.ping()
            return {key: self.get(key) for key in keys}

    def ping(self) -> None:
        """Read a key that does not exist. Raises what the cache raises when it is away."""
        self.cache.get(f"{self.list_key}:{uuid4().hex}")

    def members(self, group_id: str) -> list[str]:
        """List the ids of a group's tasks."""
        ids = [task_id for _, task_id in self.numbered_members(group_id)]
        return list(dict.fromkeys([*self.predecessor_members(group_id), *ids]))

    def predecessor_members(self, group_id: str) -> list[str]:
        """List the ids of a group's tasks that clusters of a predecessor have completed."""
        keys = self.get(self.predecessor_key(group_id, "keys")) if is_safe_key(group_id) else None
        keys = keys if isinstance(keys, (list, tuple)) else ()
        return [key.removeprefix(f"{self.list_key}:") for key in keys if isinstance(key, str)]

    def predecessor_key(self, group_id: str, name: str) -> str:
        """Name a key of the predecessors for a group: "keys", and "args" for an iterable."""
        return f"{self.list_key}:{group_id}:{name}"

    def numbered_members(self, group_id: str) -> Iterator[tuple[str, str]]:
        """List the keys of a group's members with the id that each holds.

        Reads pages beyond the count until one is empty: the count may have been lost.
        """
        known = self.get(self.member_key(group_id, "count"))
        known = known if isinstance(known, int) and known <= MAX_GROUP_MEMBERS else 0
        for start in count(1, GROUP_PAGE_SIZE):
            numbers = range(start, start + GROUP_PAGE_SIZE)
            keys = [self.member_key(group_id, number) for number in numbers]
            found = self.get_many(keys)
            yield from ((key, found[key]) for key in keys if isinstance(found.get(key), str))
            if not found and start > known:
                return

    def result_group(self, group_id: str, failures: bool = False) -> list[Any]:
        """Find the results of a group; with ``failures`` also the texts of its exceptions."""
        return [p["result"] for p in self.packages(group_id) if failures or p["success"]]

    def fetch_group(self, group_id: str, failures: bool = True) -> list[Task]:
        """Find the tasks of a group; without ``failures`` only those that succeeded."""
        return [as_task(p) for p in self.packages(group_id) if failures or p["success"]]

    def count_group(self, group_id: str, failures: bool = False) -> int:
        """Count the tasks of a group; with ``failures`` only those that failed."""
        if not failures:
            return len(self.members(group_id))
        return sum(not package["success"] for package in self.packages(group_id))

    def delete_group(self, group_id: str, tasks: bool = True) -> None:
        """Delete a group and its results: the cache can not keep these without their group."""
        keys = [self.key(task_id) for task_id in self.members(group_id)]
        keys += [key for key, _ in self.numbered_members(group_id)]
        if is_safe_key(group_id):
            keys += [self.predecessor_key(group_id, name) for name in ("keys", "args")]
        self.cache.delete_many([*keys, self.member_key(group_id, "count")])

    def delete(self, task_id: str) -> bool:
        """Delete a result, and return whether it was there."""
        return self.cache.delete(self.key(task_id))


def result_payload(package: TaskPackage) -> str:
    """Sign a finished package; its values are replaced by text where one can not be serialized."""
    try:
        return cached_format.write(unpickled_package(package))
    except BaseException as error:
        contain_error(error)
        logger.warning(
            "the result of '%s' (%s) is cached as text: %r",
            dotted_name(package["func"]),
            package["name"],
            error,
        )
        return text_payload(package)


def text_payload(package: TaskPackage) -> str:
    """Sign a finished package with its values as text."""
    value = unpickled_package(package)
    text = {key: safe_repr(value[key])[:10_000] for key in PICKLED_COLUMNS}
    return cached_format.write(
        {**value, "func": dotted_name(package["func"]), "hook": None, "chain": None}
        | {"args": (text["args"],), "kwargs": {}, "result": text["result"]}
    )


def unpickled_package(package: TaskPackage) -> dict[str, Any]:
    """Return what is stored of a package, with its pickled values unpickled."""
    return {key: unpickled(item) for key, item in package.items() if key not in UNCACHED_KEYS}


def is_safe_key(name: str) -> bool:
    """Return True if a name may be part of a key on any cache."""
    return name.isascii() and name.isprintable() and " " not in name


def digest(name: str) -> str:
    """Hash a name that may contain characters which are not allowed in keys."""
    return md5(name.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()
