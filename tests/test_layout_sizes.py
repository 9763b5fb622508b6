"""Sizes of modules, functions and folders, and where the tests of a module are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.source_code import MODULES, PACKAGE, ROOT, line_count, path_of

pytestmark = pytest.mark.once

MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 45  # without the docstring
MAX_FILES_PER_FOLDER = 10
MIN_TESTED_LINES = 60  # of a module that has a file of tests of its own

#: Django finds commands in one folder alone.
NOT_COUNTED = ("migrations", "commands", "__pycache__")
FOLDERS = [
    path
    for path in (PACKAGE, *sorted(PACKAGE.rglob("*")))
    if path.is_dir() and path.name not in NOT_COUNTED
]
#: Django looks for commands in this folder, and in none below it: each command is a module here.
FOLDER_OF_COMMANDS = PACKAGE / "management" / "commands"
SOURCES = [
    path
    for folder in ("django_q", "tests", "benchmarks", "example")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

#: What may stand at the root of the package: public paths, and the ground below all.
ROOT_MODULES = {
    "apps": "Django looks for it here",
    "backend": "a public path: TASKS names it",
    "cluster": "a public path",
    "conf": "a public path",
    "core_signing": "a public path of django-q2",
    "descriptor_wait": "the ground: waits for descriptors; queues and processes alike",
    "exceptions": "a public path",
    "health_check": "a public path",
    "hooks": "the ground: calls hooks, for completion and for the signals' call_hook",
    "humanhash": "a public path",
    "monitor": "a public path",
    "monitor_terminal": "a public path of django-q2",
    "pusher": "a public path of django-q2",
    "pytest_plugin": "the plugin for pytest, beside the kit: pytest loads it in each run",
    "queues": "a public path",
    "recurrence": "the ground: due times, without Django",
    "scheduler": "a public path of django-q2",
    "shared_counter": "the ground: a number that processes share",
    "signals": "a public path",
    "signing": "a public path",
    "status": "a public path",
    "tasks": "a public path",
    "timeout": "a public path of django-q2",
    "urls": "a public path: projects include it",
    "utils": "a public path of django-q2",
    "worker": "a public path of django-q2",
}

#: Longer modules without a file of tests of their own, and the files, below tests, that test them.
TESTED_BY = {
    "admin.hidden_values": "integration/dashboard/test_hidden_from_users.py",
    "admin.unfinished": "integration/admin/test_unfinished_list.py test_orders.py",
    "backend": "integration/task_backend/test_backend.py",
    "brokers.__init__": "integration/brokers/test_get_broker.py",
    "brokers.base": "integration/brokers/contract",
    "brokers.contract.dependent_methods": "integration/brokers/test_dependent_methods.py",
    "brokers.contract.orders": "integration/brokers/contract",
    "brokers.memory.queue": "integration/brokers/contract",
    "brokers.redis.connections.client": "integration/scheduling/test_wakeup.py",
    "brokers.orm.leases.receipts": "integration/brokers/orm/test_table.py",
    "brokers.orm.orders.ordered_queue": "integration/brokers/contract",
    "brokers.redis.scheduler_wakeup": "integration/scheduling/test_wakeup.py",
    "brokers.terms": "integration/brokers/contract",
    "calls.composition": "integration/calls/test_batch.py test_chains.py test_iterables.py",
    "checks.__init__": "integration/checks/test_deployment.py",
    "checks.listed_names": "integration/checks/test_options.py",
    "completion.deliveries": "integration/completion/test_completion.py",
    "completion.follow_ups": "integration/completion/test_completion.py",
    "completion.recording": "integration/completion/test_completion.py",
    "completion.steps": "integration/completion/test_completion.py",
    "dashboard.charts.figures": "integration/dashboard/charts/test_charts_page.py",
    "dashboard.task_search.fields": "unit/dashboard/task_search/test_language.py",
    "dashboard.task_search.listed_task": "integration/dashboard/tasks/test_task_list.py",
    "dashboard.task_search.search": "integration/dashboard/tasks/test_task_list.py",
    "dashboard.task_search.unfinished": "integration/dashboard/tasks/test_task_list.py",
    "dashboard.tasks.columns": "integration/dashboard/tasks/test_task_list.py",
    "dashboard.tasks.found_task": "integration/dashboard/tasks/test_task_page.py",
    "dashboard.tasks.links": "integration/dashboard/tasks/test_task_page.py",
    "dashboard.tasks.timeline": "integration/dashboard/tasks/test_task_page.py",
    "doctor.text_report": "integration/doctor/test_diagnosis.py",
    "exceptions": "unit/text/test_representation.py",
    "dashboard.display": "integration/admin/test_display.py",
    "dashboard.figures.cluster_lines": "integration/dashboard/operations",
    "dashboard.figures.failure_kinds": "integration/dashboard/operations/test_overview.py",
    "dashboard.figures.queue_lines": "integration/dashboard/operations",
    "dashboard.orders": "integration/admin/test_orders.py",
    "execution.current_task.loop_positions": "integration/execution/current_task/test_iteration.py",
    "execution.current_task.task_run": "integration/execution/current_task/test_proxy.py",
    "foreign_code.function_with_options": "integration/calls/task_function/test_decorator.py",
    "importing.celery_beat": "importing/test_celery_beat.py",
    "importing.found": "importing/test_celery_beat.py",
    "importing.huey_tasks": "importing/test_huey_tasks.py",
    "legacy.lexer": "unit/legacy/test_translation.py",
    "legacy.name_uses": "unit/legacy/test_translation.py",
    "legacy.source": "unit/legacy/test_translation.py test_main.py",
    "metrics.exposition.families": "unit/metrics/exposition/test_text_format.py",
    "management.commands.qcluster": "processes/test_cluster.py",
    "management.commands.qdoctor": "integration/doctor/test_diagnosis.py",
    "management.commands.qimport": "importing/test_celery_beat.py",
    "management.commands.qlogs": "integration/management/test_qlogs.py",
    "processes.logs.log_queue": "processes/processes/test_log_writer.py",
    "processes.server_calls.heartbeat": "unit/test_status.py",
    "processes.shared_state.process_table": "processes/processes/test_sentinel.py",
    "processes.services.service": "integration/processes/test_log_writer.py",
    "results.async_reading": "integration/results/waiting/test_loops.py",
    "results.queries": "integration/results/test_reading.py test_groups.py",
    "results.waiting.shared_subscription": "integration/results/waiting/test_threads.py",
    "results.waiting.sqlite_channel": "integration/results/waiting/test_threads.py",
    "scheduling.declared.declared_rows": "integration/scheduling/declared/test_synchronization.py",
    "scheduling.due_runs": "integration/scheduling/test_due_schedules.py",
    "servers.database_errors": "integration/brokers/orm/test_commits.py",
    "task_backend.framework": "integration/task_backend/test_backend.py",
    "task_backend.outcomes": "integration/task_backend/test_lookup.py",
    "task_backend.submission": "integration/task_backend/test_backend.py",
    "management.commands.qfail": "integration/management/test_list_commands.py",
    "management.commands.qtasks": "integration/management/test_list_commands.py",
    "terminal.interactive.details": "integration/terminal/interactive/test_orders.py",
    "terminal.interactive.loop": "processes/terminal/test_interactive.py",
    "terminal.interactive.state": "unit/terminal/interactive/test_keys.py",
    "terminal.interactive.views": "unit/terminal/interactive/test_screen.py",
    "terminal.lists.failure_kinds": "integration/management/test_list_commands.py",
    "terminal.lists.found_tasks": "integration/management/test_list_commands.py",
    "tests.tasks": "integration/test_predecessor_names.py",
}


def modules_in(folder: Path) -> list[str]:
    """Name the modules of a folder, without its ``__init__``."""
    return [path.stem for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]


@pytest.mark.parametrize(
    "folder",
    [folder for folder in FOLDERS[1:] if folder != FOLDER_OF_COMMANDS],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_a_folder_has_at_most_ten_modules_and_ten_scripts(folder):
    assert len(modules_in(folder)) <= MAX_FILES_PER_FOLDER
    assert len(list(folder.glob("*.lua"))) <= MAX_FILES_PER_FOLDER


def test_the_root_of_the_package_holds_public_paths_and_the_ground():
    assert set(modules_in(PACKAGE)) - set(ROOT_MODULES) == set()


def test_a_file_has_at_most_350_lines():
    lines = {str(path.relative_to(ROOT)): line_count(path) for path in SOURCES}

    assert {path: count for path, count in lines.items() if count > MAX_MODULE_LINES} == {}


def test_a_function_has_at_most_45_lines():
    lines = {
        f"{path.relative_to(ROOT)}: {node.name}": function_lines(node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: count for name, count in lines.items() if count > MAX_FUNCTION_LINES} == {}


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, from ``def`` to its end, without the docstring."""
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is None:
        return lines
    return lines - (node.body[0].end_lineno - node.body[0].lineno + 1)


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if not name.startswith("migrations") and line_count(path_of(name)) > MIN_TESTED_LINES
    ],
)
def test_a_longer_module_has_a_file_of_tests_in_the_folder_of_the_same_name(module):
    *folders, name = module.split(".")
    file = Path(*folders, f"test_{name.strip('_')}.py")
    kinds = [ROOT / "tests" / kind for kind in ("unit", "integration", "processes")]
    # calls/chain.py makes chains: the plural names its tests as well.
    files = (file, file.with_stem(f"{file.stem}s"))
    beside = any((kind / one).exists() for kind in kinds for one in files)

    assert beside or module in TESTED_BY, f"expected tests/.../{file}, or a line in TESTED_BY"


@pytest.mark.parametrize("module", TESTED_BY)
def test_a_module_that_is_said_to_be_tested_elsewhere_is_there_and_so_is_the_file(module):
    first, *others = TESTED_BY[module].split()
    file = ROOT / "tests" / first

    assert module in MODULES
    assert file.exists()
    assert [other for other in others if not (file.parent / other).exists()] == []
