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
__init__ text.printable text.representation exceptions text.typed_settings text.function_names \
    text.log_lines text foreign_code humanhash shared_counter descriptor_wait queues \
    servers.redis_sentinel servers.connections servers
conf recurrence text.redaction
wire.heartbeat_format wire.pickles signing wire.callables wire.package wire.allowed_functions \
    wire.option_types wire.options wire
execution.task_context execution.hooks signals
models migrations
brokers.dependent_methods brokers.heartbeats brokers.scheduler_wakeup brokers.base \
    brokers.adapter brokers.redis brokers.orm brokers.sqs brokers.redis_broker brokers.aws_sqs \
    brokers.__init__ brokers.broker_cache
status
results.polling results.rows results.pruning results.saving results.queries \
    results.cached_format results.cache results
execution
completion.finished_task completion.steps completion.deliveries completion.recording \
    completion.collation completion.resumption completion.follow_ups completion
calls.producer calls.inline calls.composition calls
scheduling.readable_schedules scheduling
processes.call_timeout processes.logs processes.shared_state \
    processes.supervision.exit_timeout processes.supervision.unix_signals \
    processes.supervision.process_start processes.supervision \
    processes.log_writer processes.pusher processes.worker processes.result_receiver \
    processes.monitor processes.scheduler processes.sentinel processes.sentinel_body
utils tasks cluster backend terminal monitor admin checks apps legacy management tests
core_signing pusher worker scheduler timeout monitor_terminal
"""
ORDER = [name for floor in FLOORS.split("\n")[1:-1] for name in floor.split()]

#: What a module must not know, beyond what its floor keeps from it.
MUST_NOT_KNOW = {
    "signing": "django_q.wire.package",
    "wire.package": "pickle django_q.signing django.db",
    "recurrence": "django_q.conf django.conf time",
    "models": "django.core.cache multiprocessing",
    "brokers": "django_q.signing django_q.wire.package multiprocessing",
    "results": "django_q.signals multiprocessing",
    "execution.execution": "django_q.queues django_q.brokers django_q.models "
    "django_q.servers.connections django.db multiprocessing",
    "completion.completion": "django_q.queues multiprocessing",
    "calls.producer": "django_q.results multiprocessing",
    "processes.pusher": "django_q.results django_q.models",
    "processes.worker": "django_q.brokers django_q.models django.db django_q.results.queries "
    "django_q.results.cache",
    "processes.monitor": "django_q.processes.worker django_q.processes.shared_state.slot",
    # Unpickled by processes that are spawned, before Django is set up.
    "processes.shared_state.result_queue": "django_q.completion django_q.models django_q.results",
    "processes.sentinel": "django_q.wire.package django_q.signing django_q.models django.db "
    "blessed",
    "backend": "django_q.processes multiprocessing",
    "monitor": "django_q.processes.sentinel django_q.processes.worker django_q.signing",
    "admin": "django_q.processes django_q.signing",
}

#: Where a function may import: a driver when it is chosen, arrow when a schedule moves on, the
#: receivers when models are ready.
LATE_IMPORTS = [
    "brokers.__init__",
    "brokers.orm.__init__",
    "servers.connections",
    "recurrence",
    "apps",
]

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text())
    for path in sorted(PACKAGE.rglob("*.py"))
}


def position(module: str) -> int:
    """Tell where a module stands, by its name or by that of a folder it is in."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in ORDER:
            return ORDER.index(".".join(parts[:length]))
    raise AssertionError(f"{module} stands on no floor: give it one in FLOORS")


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
