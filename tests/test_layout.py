"""The floors: a module imports from floors below its own, and leftwards on its own."""

import ast
import graphlib

import pytest

from tests.source_code import MODULES, PACKAGE, ROOT, imports, module_name, own_imports

pytestmark = pytest.mark.once

#: From the ground up. A folder's name alone stands for what it holds and the list does not name.
FLOORS = """
__init__ exceptions text.printable text.representation text.error_text text.typed_settings \
    text.function_names text.strict_json text.log_lines text foreign_code humanhash shared_counter \
    descriptor_wait queues servers.redis_sentinel \
    servers.redis_cluster servers.connections servers
conf recurrence
wire.heartbeat_format wire.pickles signing wire.callables wire.framework_call wire.package \
    wire.allowed_functions wire.option_types wire.call_digest wire.queue_options wire.options wire \
    caller_context.tracing caller_context.variables caller_context
task_state hooks signals
models migrations
brokers.contract brokers.terms brokers.heartbeats brokers.scheduler_wakeup brokers.once_keys \
    brokers.base \
    brokers.adapter brokers.other_queues brokers.memory brokers.redis brokers.orm brokers.sqs \
    brokers.redis_broker brokers.aws_sqs brokers.__init__ brokers.broker_cache
status
results.run_columns results.rows results.pruning results.saving results.queries \
    results.cached_format results.cache results.waiting.polling \
    results.waiting.postgres_channel results.waiting.sqlite_channel results.waiting.channels \
    results.waiting.telling results.waiting.shared_subscription results.waiting results.reading \
    results.async_reading results
task_logs.entry task_logs.ring task_logs.hidden_names task_logs.sentry_event task_logs
outbox.rows outbox.outage outbox.pushing outbox.choice outbox.relay outbox
unfinished.progress unfinished.holds unfinished.task unfinished.reading unfinished.queues \
    unfinished.reruns unfinished.running unfinished
orders.notices orders.cancelling orders.answers orders.steering orders task_logs.following
execution
completion.finished_task completion.steps completion.deliveries completion.recording \
    completion.collation completion.resumption completion.follow_ups completion
rollups.sketch rollups.run_counts rollups.row_format rollups.spans \
    rollups.short_runs rollups.compaction \
    rollups.recorder rollups.reading rollups
calls.payloads calls.enqueueing calls.producer calls.inline calls.composition calls
scheduling.readable_schedules scheduling calls.task_function scheduling.declared.declaration \
    scheduling.declared.discovery scheduling.declared.declared_rows \
    scheduling.declared.release_order scheduling.declared.synchronization scheduling.declared
alerts.finding alerts.rules alerts.time_limit alerts.failure_rate alerts.findings \
    alerts.alert_rows alerts.messages alerts.webhook alerts.delivery alerts.evaluation alerts
processes.logs processes.shared_state processes.server_calls \
    processes.supervision.exit_timeout processes.supervision.unix_signals \
    processes.supervision.process_start processes.supervision processes.task_runs \
    processes.services processes.log_writer processes.pushing processes.pusher processes.worker \
    processes.result_receiver processes.monitor processes.scheduler processes.alerter \
    processes.process_bodies processes.sentinel processes.sentinel_body
utils tasks cluster task_backend.framework task_backend.task task_backend.queue_choice \
    task_backend.outcomes task_backend backend importing checks dashboard terminal health_check \
    monitor doctor.findings doctor.subjects doctor.diagnosis doctor mcp.answers mcp.orders mcp \
    metrics.exposition metrics.figures metrics.access metrics.collection \
    metrics.view metrics.prometheus metrics.serving metrics urls admin apps legacy management tests
testing.recording.clock testing.recording.commits testing.recording.enqueued_task \
    testing.recording.recording testing.recording testing.assertions.expected_call \
    testing.assertions testing.blocks.block testing.blocks testing.draining.time_limits \
    testing.draining.task_runs testing.draining.schedules testing.draining testing pytest_plugin
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
    # What waits is previewed: nothing in it is unpickled.
    "unfinished": "django_q.signing pickle multiprocessing",
    "execution.execution": "django_q.queues django_q.brokers django_q.models "
    "django_q.servers.connections django.db multiprocessing",
    "completion.completion": "django_q.queues multiprocessing",
    "calls.producer": "django_q.results multiprocessing",
    "processes.pusher": "django_q.results django_q.models",
    "processes.pushing": "django_q.results django_q.models",
    "processes.worker": "django_q.brokers django_q.models django.db django_q.results.queries "
    "django_q.results.cache",
    "processes.monitor": "django_q.processes.worker django_q.processes.shared_state.slot",
    # Unpickled by processes that are spawned, before Django is set up.
    "processes.shared_state.result_queue": "django_q.completion django_q.models django_q.results",
    "processes.sentinel": "django_q.wire.package django_q.signing django_q.models django.db "
    "blessed",
    "backend": "django_q.processes multiprocessing pickle",
    "task_backend": "django_q.processes multiprocessing pickle",
    # Imported with the decorated tasks of a project, before there are models.
    "task_backend.framework": "django_q.models django_q.brokers django_q.calls",
    "task_backend.task": "django_q.models django_q.brokers django_q.calls",
    "monitor": "django_q.processes.sentinel django_q.processes.worker django_q.signing",
    "admin": "django_q.processes django_q.signing",
    # A project may have the dashboard without the admin.
    "dashboard": "django.contrib.admin django_q.admin django_q.processes django_q.signing",
}

#: Left out of the graph of folders. ``brokers/__init__`` chooses a broker, so it imports from the
#: folders that import the contract beside it; ``dashboard.urls`` has the pages of all its folders.
OUTSIDE_THE_GRAPH_OF_FOLDERS = {"brokers.__init__", "dashboard.urls"}

#: The modules in which django-q2 has these names, and what they hold beside imports: utils has
#: functions that are nowhere else.
DOORS = {
    "pusher": [],
    "worker": [],
    "scheduler": [],
    "monitor_terminal": [],
    "timeout": [],
    "core_signing": [],
    "brokers.redis_broker": [],
    "brokers.aws_sqs": [],
    "utils": ["Day", "add_months", "add_years", "get_func_repr", "localtime"],
}

#: What imports a door: the cluster, where django-q2 has ``localtime`` as well.
USERS = {"utils": ["cluster"]}

#: Where a function may import: a driver when it is chosen, arrow when a schedule moves on, the
#: receivers when models are ready, what needs the models when a task is enqueued, the testing kit
#: when a test asks for it.
LATE_IMPORTS = [
    "brokers.__init__",
    "brokers.orm.__init__",
    "servers.connections",
    "recurrence",
    "apps",
    "backend",
    "pytest_plugin",
]


def position(module: str) -> int:
    """Tell where a module stands, by its name or by that of a folder it is in."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in ORDER:
            return ORDER.index(".".join(parts[:length]))
    raise AssertionError(f"{module} stands on no floor: give it one in FLOORS")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_downwards_and_leftwards(module):
    floors = {name: position(name) for name in own_imports(module)}

    assert [name for name, place in floors.items() if place > position(module)] == []


def test_no_module_imports_itself_in_a_circle():
    check_no_circle({module: own_imports(module) for module in MODULES})


def check_no_circle(graph: dict[str, set[str]]) -> None:
    """Fail with the names that depend on one another in a circle."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def test_no_folder_depends_on_another_in_a_circle():
    graph: dict[str, set[str]] = {}
    for module in MODULES.keys() - DOORS.keys() - OUTSIDE_THE_GRAPH_OF_FOLDERS:
        for name in own_imports(module) - {module}:
            graph.setdefault(folder_of(module), set()).add(folder_of(name))

    check_no_circle({folder: others - {folder} for folder, others in graph.items()})


def folder_of(module: str) -> str:
    """Name the folder that a module is in; a module of the root stands for itself."""
    return module.rpartition(".")[0] or module


def test_no_benchmark_imports_another_in_a_circle():
    graph = {}
    for path in (ROOT / "benchmarks").glob("*.py"):
        names = imports(ast.parse(path.read_text("utf-8")))
        ours = [name.split(".") for name in names if name.startswith("benchmarks.")]
        graph[module_name(path, ROOT)] = {".".join(parts[:2]) for parts in ours}

    check_no_circle(graph)


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


def test_one_module_of_the_backend_alone_knows_django_tasks():
    # By a text, as it may be another package, or none: see optional_packages.
    users = {
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in ("django.tasks", "django_tasks")
    }
    users |= {m for m, tree in MODULES.items() for name in imports(tree) if "django.tasks" in name}

    assert users == {"task_backend.framework"}


def test_the_backend_for_django_tasks_is_above_all_that_it_uses():
    users = {m for m in MODULES for name in own_imports(m) if name.startswith("task_backend")}

    assert {user.split(".")[0] for user in users} == {"backend", "task_backend"}


def test_nothing_but_the_plugin_for_pytest_imports_the_testing_kit():
    users = {m for m in MODULES for name in own_imports(m) if name.startswith("testing")}

    assert {user.split(".")[0] for user in users} == {"testing", "pytest_plugin"}


def test_the_plugin_for_pytest_imports_pytest_alone_before_a_fixture_is_asked_for():
    at_top = [
        node for node in MODULES["pytest_plugin"].body if not isinstance(node, ast.FunctionDef)
    ]

    names = {name.split(".")[0] for node in at_top for name in imports(node)}
    assert names == {"__future__", "collections", "typing", "pytest"}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_of_the_predecessor_holds_imports_alone_and_nobody_uses_it(door):
    docstring, *body = MODULES[door].body
    kinds = (ast.Import, ast.ImportFrom)
    defined = [name_of(node) for node in body if not isinstance(node, kinds)]

    assert isinstance(docstring.value.value, str)
    assert sorted(defined) == sorted([*DOORS[door], "__all__"])
    assert [module for module in MODULES if door in own_imports(module)] == USERS.get(door, [])


def name_of(node: ast.stmt) -> str | None:
    """Name what a statement defines."""
    if isinstance(node, ast.Assign):
        return getattr(node.targets[0], "id", None)
    return getattr(node, "name", None)


@pytest.mark.parametrize("module", ["conf", "signals"])
def test_the_settings_and_the_signals_find_no_module_by_its_name(module):
    assert "import_module" not in (PACKAGE / f"{module}.py").read_text("utf-8")
