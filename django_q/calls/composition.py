"""Make packages of calls and submit them: of one call, a batch, a chain or an iterable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from django_q.brokers import redis_broker_for_client
from django_q.brokers.base import Broker
from django_q.brokers.broker_cache import shared_broker
from django_q.caller_context.tracing import producer_span
from django_q.caller_context.travel import add_caller_context
from django_q.calls.inline import run_inline
from django_q.calls.payloads import when_duplicate
from django_q.calls.producer import submit, submit_when_committed
from django_q.completion.completion import complete_here
from django_q.conf import Conf, logger
from django_q.exceptions import PackageError
from django_q.foreign_code.function_with_options import FunctionWithOptions
from django_q.results.cache import UNSHARED_CACHE_BACKENDS
from django_q.wire.callables import sent_name
from django_q.wire.option_types import REPLACE, closest_name_hint, items, shown
from django_q.wire.options import FLAG_TYPE, normalize_option, normalize_options, normalize_package
from django_q.wire.package import (
    KNOWN_OPTIONS,
    ROUTING_OPTIONS,
    TaskPackage,
    call_by_name,
    derived_id,
    link_parts,
    new_id,
    new_package,
    options_in,
    take_options,
)
from django_q.wire.queue_options import check_queue_options

#: Options of a batch that one of its calls can not have: all are enqueued in one round trip.
BATCH_OPTIONS = ROUTING_OPTIONS | {"cluster", "sync"}

#: Arguments of ``async_chain`` that say how a chain continues.
CHAIN_SETTINGS = ("continue_on_failure", "pass_result")


def options_of(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keyword arguments of a call into (options, those of the function).

    ``cached`` is ``Q_CLUSTER['cached']`` unless the call sets it.
    """
    options, rest = own_options(kwargs)
    if options.get("cached"):
        warn_unshared(options)
    elif options.get("cached") is None and Conf.CACHED:
        options["cached"] = Conf.CACHED
    return options, rest


def own_options(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keyword arguments of a call as ``options_of`` does, without the default of cached.

    For calls of a batch and links of a chain, which take their defaults from its options.
    """
    options, rest = take_options(kwargs)
    if not options:
        return options, rest
    if not KNOWN_OPTIONS.issuperset(options):
        for name in options.keys() - KNOWN_OPTIONS:
            warn_unknown(str(name))
    return normalize_options(options), rest


def options_only(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Read the options of a batch or a chain, whose keyword arguments are all options."""
    own = {name: value for name, value in kwargs.items() if name in KNOWN_OPTIONS}
    if misplaced := sorted(kwargs.keys() - KNOWN_OPTIONS - {"q_options"}):
        hint = closest_name_hint(misplaced[0], KNOWN_OPTIONS)
        raise PackageError(f"Expected options of tasks, got {', '.join(misplaced)}. {hint}".strip())
    options, _ = options_of({"q_options": {**own, **options_in(kwargs.get("q_options"))}})
    return options


def names_given(options: Mapping[str, Any]) -> set[str]:
    """Return the names of the options that a batch or a chain has, and not its calls."""
    both = {**options, **options_in(options.get("q_options"))}
    return {name for name, value in both.items() if value is not None}


def named_link(link: Any, given: Collection[str]) -> Any:
    """Name the task function of a call, with those of its options that are not given for all."""
    func = link[0] if isinstance(link, (tuple, list)) and link else link
    return link_parts(link, given) if isinstance(func, FunctionWithOptions) else link


@lru_cache(maxsize=256)
def warn_unknown(name: str) -> None:
    """Log, once for each name, that an unknown option is ignored."""
    hint = closest_name_hint(name, KNOWN_OPTIONS)
    text = f"unknown option '%s' in q_options is ignored{hint and '. '}%s"
    logger.warning(text, name, hint)


def warn_unshared(options: Mapping[str, Any]) -> None:
    """Log a warning if no other process can see the cached result of a task that runs elsewhere."""
    is_here = Conf.SYNC if options.get("sync") is None else options["sync"]
    backend = str(settings.CACHES.get(Conf.CACHE, {}).get("BACKEND"))
    if backend in UNSHARED_CACHE_BACKENDS and not is_here:
        log_unshared_cache(Conf.CACHE, backend.rpartition(".")[2])


@lru_cache(maxsize=16)
def log_unshared_cache(alias: str, backend: str) -> None:
    """Log, once for each cache, that other processes do not see its content."""
    logger.warning(
        "a task asks for its result to be cached, and the cache '%s' is a %s: what a cluster "
        "writes there, nobody else sees. Name a cache that processes share in Q_CLUSTER['cache']",
        alias,
        backend,
    )


def dispatch(
    packages: Sequence[TaskPackage], options: Mapping[str, Any], is_own_call: bool = True
) -> list[str]:
    """Run packages here if ``sync`` is set; put them on the queue of their options otherwise.

    They have the context of the caller unless that only repeats a call, as of a schedule. Returns
    the ids of the tasks that stand for them.
    """
    if Conf.CONTEXT and is_own_call:
        with producer_span(packages):
            add_caller_context(packages)
            return dispatch(packages, options, is_own_call=False)
    sync = options.get("sync")
    if Conf.SYNC if sync is None else sync:
        return [run_inline(package, options.get("broker")) for package in packages]
    on_commit = options.get("on_commit")
    on_commit = Conf.ON_COMMIT if on_commit is None else on_commit
    return submit_when_committed(packages, chosen_broker(options), on_commit)


def chosen_broker(options: Mapping[str, Any]) -> Broker:
    """Find the broker for a call by its options: ``broker``, else ``redis``, else the others."""
    if options.get("broker") is not None:
        return options["broker"]
    if options.get("redis") is not None:
        return redis_broker_for_client(
            options["redis"], options.get("cluster"), options.get("list_key")
        )
    return shared_broker(options.get("cluster"), options.get("list_key"))


def send_call(func: str | Callable, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Submit one call, and return the id of the task that stands for it."""
    if isinstance(func, FunctionWithOptions):
        func, kwargs = call_by_name(func, dict(kwargs))
    options, kwargs = options_of(kwargs)
    return dispatch([new_package(func, args, kwargs, options)], options)[0]


def send_function(func: FunctionWithOptions, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Submit one call of a function whose arguments may have the names of options."""
    options, _ = options_of({"q_options": func.options})
    return dispatch([new_package(sent_name(func), args, kwargs, options)], options)[0]


def send_batch(calls: Iterable[Any], options: Mapping[str, Any]) -> list[str]:
    """Submit many calls together, and return the ids of the tasks that stand for them."""
    given = names_given(options)
    options = options_only(options)
    now = timezone.now()
    calls = [named_link(call, given) for call in items(calls, "The calls of a batch")]
    packages = [batch_package(call, options, now) for call in calls]
    return dispatch(packages, options)


def batch_package(call: Any, options: Mapping[str, Any], now: datetime) -> TaskPackage:
    """Make the package of one call of a batch, whose keyword arguments may hold options too."""
    func, args, kwargs = link_parts(call)
    if not kwargs:
        return new_package(func, args, kwargs, options, started=now)
    given = kwargs.keys() | options_in(kwargs.get("q_options")).keys()
    if misplaced := sorted(BATCH_OPTIONS & given):
        raise PackageError(f"'{misplaced[0]}' is an option of the batch, not of one task in it.")
    own, kwargs = own_options(kwargs)
    return new_package(func, args, kwargs, {**options, **own}, started=now)


def send_chain(chain: Iterable[Any], options: Mapping[str, Any]) -> str:
    """Submit the first link of a chain, whose package holds the others, and return their group.

    Where another chain stands for this one, as for its unique key, that is the group of the other.
    """
    given = dict(options)
    asked = {key: normalize_option(key, given.pop(key, None), FLAG_TYPE) for key in CHAIN_SETTINGS}
    settings = {key: True for key, value in asked.items() if value}
    options = options_only(given)
    if isinstance(chain, Mapping):
        raise PackageError(f"A chain must be a list of calls, got {shown(chain)}.")
    names = names_given(given) | {"group"}
    links = [named_link(link, names) for link in items(chain, "A chain")]
    if not links:
        raise PackageError("A chain must have a link, got none.")
    options["chain_options"] = settings or options.get("chain_options")
    own_id, given_group = new_id(), options.get("group")
    options["group"] = group = given_group or chain_group(own_id)
    func, args, kwargs = link_parts(links[0])
    own, kwargs = own_options(kwargs)
    options = {**options, **own, "chain": links[1:] or None}
    package = new_package(func, args, kwargs, options, own_id)
    (task_id,) = dispatch([package], options)
    if given_group or task_id == package["id"] or when_duplicate(package) == REPLACE:
        return group
    return chain_group(task_id)


def chain_group(task_id: str) -> str:
    """Return the group of a chain that got none, by the id of the task of its first link."""
    return derived_id(task_id, "group")


def send_iterable(func: str | Callable, values: Iterable[Any], kwargs: Mapping[str, Any]) -> str:
    """Submit a call for each item, and return the id of the task that collates their results."""
    if isinstance(func, FunctionWithOptions):
        func, kwargs = call_by_name(func, dict(kwargs))
    options, kwargs = options_of(kwargs)
    check_iterable_options(options)
    each = items(values, "The arguments of the calls")
    arguments = [item if isinstance(item, tuple) else (item,) for item in each]
    iterable = uuid4().hex
    if arguments:
        shared = item_options(options, iterable, len(arguments))
        now = timezone.now()
        packages = [
            new_package(func, args, kwargs, {**shared, "iter_position": position}, started=now)
            for position, args in enumerate(arguments)
        ]
        dispatch(packages, options)
    else:
        complete_empty_iterable(new_package(func, (), kwargs, options, iterable), options)
    return iterable


def check_iterable_options(options: Mapping[str, Any]) -> None:
    """Raise ``PackageError`` for options that an iterable can not have."""
    for name in ("unique", "idempotency_key"):
        if options.get(name) is not None:
            raise PackageError(
                f"The option '{name}' is for one task, and an iterable is as many as it has items, "
                f"each with all options; got {shown(options[name])}. Give it to a task that calls "
                "async_iter, or leave it out."
            )
    check_queue_options(options)


def item_options(options: Mapping[str, Any], iterable: str, count: int) -> dict[str, Any]:
    """Make the options of an item; those of the iterable get names that begin with ``iter_``.

    ``group`` and ``cached`` are what clusters of django-q2 expect of an item.
    """
    return {
        **options,
        "group": iterable,
        "cached": True,
        "task_name": None,
        "iter_count": count,
        "iter_group": options.get("group"),
        "iter_name": options.get("task_name"),
        "iter_cached": options.get("cached"),
    }


def complete_empty_iterable(package: TaskPackage, options: Mapping[str, Any]) -> None:
    """Complete the task of an iterable that has no items."""
    normalize_package(package).update(args=[], result=[], success=True, stopped=timezone.now())
    complete_here([package], options.get("broker"), submit)
