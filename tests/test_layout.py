"""The floors of the house: a module imports from floors below its own, and leftwards on its own."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

PACKAGE = Path(__file__).parent.parent / "django_q"

#: From the ground up. A folder's name alone stands for what it holds and the list does not name.
FLOORS = """
__init__ intact settings_text counter clock compat redis_sentinel connections core_signing \
    database_errors printable representation exceptions loglines naming foreign humanhash \
    literals optional pickles waiting queues signals transactions
conf recurrence disclosure
heartbeat_shape signing package functions kinds options
models migrations
brokers.overridden brokers.heartbeats brokers.waker brokers.base brokers brokers.__init__ \
    brokers.shared
status results.wait results.rows results.pruning results.saving results.database \
    results.finished results.cache results
lifecycle.timeout lifecycle.reporting lifecycle.surroundings lifecycle.hooks lifecycle.invalid \
    lifecycle.execution lifecycle.plain_options lifecycle.steps lifecycle.collation \
    lifecycle.resumption lifecycle.completion lifecycle.recovery lifecycle.producer \
    lifecycle.inline lifecycle.composition lifecycle.reading lifecycle.resubmission lifecycle
processes.farewell processes.patience processes.unix_signals processes.patched processes.limits \
    processes.pulse processes.board processes.records processes.log_queue processes.complaint \
    processes.failures processes.delay processes.trouble processes.result_queue \
    processes.doorway processes.entry processes.unheard processes.slot processes.leases \
    processes.heartbeat processes.leftovers processes.affinity processes.child \
    processes.log_writer processes.pusher processes.worker processes.monitor processes.scheduler \
    processes.sentinel_process processes.sentinel processes.sentinel_body processes
pusher worker scheduler timeout utils terminal tasks cluster backend monitor monitor_terminal \
    admin checks apps legacy management tests
"""
ORDER = [name for floor in FLOORS.split("\n")[1:-1] for name in floor.split()]

#: What a module must not know, beyond what its floor keeps from it.
MUST_NOT_KNOW = {
    "signing": "django_q.package",
    "package": "pickle django_q.signing django.db",
    "recurrence": "django_q.conf django.conf time",
    "models": "django.core.cache multiprocessing",
    "brokers": "django_q.signing django_q.package multiprocessing",
    "results": "django_q.signals multiprocessing",
    "lifecycle.execution": "django_q.queues django_q.brokers django_q.models django_q.connections "
    "django.db multiprocessing",
    "lifecycle.completion": "django_q.queues multiprocessing",
    "lifecycle.producer": "django_q.results multiprocessing",
    "processes.pusher": "django_q.results django_q.models",
    "processes.worker": "django_q.brokers django_q.models django.db django_q.results.database "
    "django_q.results.cache",
    "processes.monitor": "django_q.processes.worker django_q.processes.slot",
    "processes.sentinel": "django_q.package django_q.signing django_q.models django.db blessed",
    "backend": "django_q.processes multiprocessing",
    "monitor": "django_q.processes.sentinel django_q.processes.worker django_q.signing",
    "admin": "django_q.processes django_q.signing",
}

#: Where a function may import: a driver when it is chosen, arrow when a schedule moves on, the
#: receivers when models are ready.
LATE_IMPORTS = ["brokers.__init__", "connections", "recurrence", "apps"]

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text())
    for path in sorted(PACKAGE.rglob("*.py"))
}


def position(module: str) -> int:
    """Tell where a module stands, by its name or by that of the folder it is in."""
    name = module if module in ORDER else module.split(".")[0]
    assert name in ORDER, f"{module} stands on no floor: give it one in FLOORS"
    return ORDER.index(name)


def imports(tree: ast.AST) -> Iterator[str]:
    """Name what a module imports: ``a.b`` for ``import a.b``, and for ``from a import b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(name: str) -> str | None:
    """Find the module of django_q that an imported name is, or is in; None for others."""
    package, _, rest = name.partition(".")
    if package != "django_q":
        return None
    for candidate in (f"{rest}.__init__", rest, rest.rpartition(".")[0] + ".__init__"):
        if candidate.lstrip(".") in MODULES:
            return candidate.lstrip(".")
    return rest.rpartition(".")[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_downwards_and_leftwards(module):
    floors = {name: position(name) for name in map(own, imports(MODULES[module])) if name}

    assert [name for name, place in floors.items() if place > position(module)] == []


def test_no_module_imports_itself_in_a_circle():
    graph = {module: set(map(own, imports(tree))) for module, tree in MODULES.items()}

    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_at_its_top(module):
    functions = [
        node
        for node in ast.walk(MODULES[module])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]

    late = [name for function in functions for name in imports(function)]

    assert late == [] or module in LATE_IMPORTS


@pytest.mark.parametrize("module", MODULES)
def test_a_module_does_not_know_what_is_none_of_its_business(module):
    forbidden = [
        name
        for part in (module, module.split(".")[0])
        for name in MUST_NOT_KNOW.get(part, "").split()
    ]

    known = [
        name
        for name in imports(MODULES[module])
        if any(f"{name}.".startswith(f"{no}.") for no in forbidden)
    ]

    assert known == []


def test_the_backend_alone_knows_django_tasks():
    users = [m for m, tree in MODULES.items() for name in imports(tree) if "django.tasks" in name]

    assert set(users) <= {"backend"}
