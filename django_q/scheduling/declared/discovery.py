"""Import the modules that may declare schedules, and collect what they have declared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import walk_packages

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from django_q.conf import Conf, logger
from django_q.scheduling.declared.declaration import DECLARATIONS, Declaration
from django_q.text.error_text import error_summary

#: The module of each installed app that is imported.
TASKS_MODULE = "tasks"


@dataclass
class SourceDeclarations:
    """The schedules of the source, as far as its modules can be imported."""

    declarations: dict[str, Declaration] = field(default_factory=dict)
    #: Modules that can not be imported: what they declare is not known.
    failed: list[str] = field(default_factory=list)


def discover() -> SourceDeclarations:
    """Import the modules that may declare schedules, and return what they declare."""
    found = SourceDeclarations()
    names = [name for name in module_names() if import_with_submodules(name, found.failed)]
    for declaration in DECLARATIONS.values():
        if is_below(declaration.module, names):
            found.declarations[declaration.name] = declaration
        elif not is_below(declaration.module, found.failed):
            # Whether it was imported depends on the process.
            logger.warning(
                "the schedule %s of %s is not written: name its module in "
                "Q_CLUSTER['schedule_modules'], or declare it in the module 'tasks' of an "
                "installed app",
                declaration.name,
                declaration.func,
            )
    return found


def module_names() -> list[str]:
    """List the modules that may declare schedules, in the order of the apps."""
    if Conf.SCHEDULE_MODULES is not None:
        return [str(name) for name in Conf.SCHEDULE_MODULES]
    return [
        f"{app.name}.{TASKS_MODULE}"
        for app in apps.get_app_configs()
        if app.name != "django_q" and module_has_submodule(app.module, TASKS_MODULE)
    ]


def import_with_submodules(name: str, failed: list[str]) -> bool:
    """Import a module, and all below it where it is a package; False, and a log line, if it fails.

    The names of those that can not be imported are added to ``failed``.
    """
    module = import_or_log(name, failed)
    if module is None:
        return False
    below = walk_packages(getattr(module, "__path__", ()), f"{name}.", onerror=lambda name: None)
    for each in below:
        import_or_log(each.name, failed)
    return True


def import_or_log(name: str, failed: list[str]) -> object | None:
    """Import a module; None, and a line in the log, where that is not possible."""
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:  # the module may raise anything
        failed.append(name)
        logger.error(
            "the schedules of %s are not known, as it can not be imported: %s. Until it can, no "
            "schedule of the source is changed or paused; 'schedule_modules' in Q_CLUSTER lists "
            "the modules to import",
            name,
            error_summary(error),
        )
        return None


def is_below(module: str, names: Iterable[str]) -> bool:
    """Return True if a module is one of those named, or inside of one."""
    return any(f"{module}.".startswith(f"{name}.") for name in names)
