"""How the demo looks in a terminal, and in a file: the same lines, without colours."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime

from django.core.management.base import OutputWrapper
from django.core.management.color import Style

from django_q.models import Task

#: Width where there is no terminal to fill.
PLAIN_WIDTH = 110

#: What is said of a result, by the function that gave it.
RESULT_SUMMARIES: dict[str, Callable] = {
    "count_words": lambda r: f"{r['words']:,} words, most of all '{r['favourite']}'",
    "count_code x": lambda r: f"{sum(r):,} lines of code in {len(r)} files",
    "draw_chart": lambda r: f"{r['file']}, {r['size'][0]} x {r['size'][1]} pixels",
    "make_thumbnail": lambda r: f"{r['file']}, {r['size'][0]} x {r['size'][1]} pixels",
    "make_thumbnail x": lambda r: f"{len(r)} pictures",
    "fingerprint": lambda r: f"sha256 {r}",
}


class Screen:
    """The lines of the demo."""

    def __init__(self, out: OutputWrapper, style: Style) -> None:
        self.out = out
        self.style = style
        self.width = shutil.get_terminal_size().columns if out.isatty() else PLAIN_WIDTH

    def title(self, text: str, detail: str) -> None:
        """Say what follows."""
        self.line(f"{self.style.MIGRATE_HEADING(text)}  {detail}")

    def line(self, text: str = "") -> None:
        """Print one line at once."""
        self.out.write(text)
        self.out.flush()

    def head(self) -> None:
        """Print the names of the columns."""
        self.line()
        self.line(self.style.MIGRATE_LABEL(self.row("after", "state", "task", "result")))
        self.line("-" * self.width)

    def task(self, task: Task, began: datetime, as_expected: bool) -> None:
        """Print how a task ended."""
        state = "ok" if task.success else "failed"
        paint = self.style.SUCCESS if task.success else self.style.WARNING
        row = self.row(
            f"{(task.stopped - began).total_seconds():.2f} s",
            state if as_expected else f"{state}!",
            call_label(task),
            result_label(task),
        )
        paint = paint if as_expected else self.style.ERROR
        self.line(row.replace(state, paint(state), 1))

    def row(self, after: str, state: str, task: str, result: str) -> str:
        """Lay one row out; what does not fit is cut."""
        room = max(self.width - 59, 20)
        return f"{after:>8}  {state:<7}  {cut(task, 38):<38}  {cut(result, room)}"

    def show_outcome(self, text: str, is_success: bool) -> None:
        """Say how it all ended."""
        self.line(self.style.SUCCESS(text) if is_success else self.style.ERROR(text))


def function_label(task: Task) -> str:
    """Name the function, and say by an x whether it was called many times."""
    name = task.func.rpartition(".")[2]
    return f"{name} x" if isinstance(task.args, list) else name


def call_label(task: Task) -> str:
    """Name the call: the function, and how often, or what it was given first."""
    if isinstance(task.args, list):
        return f"{function_label(task)} {len(task.args)}"
    return f"{function_label(task)}({next(iter(task.args), '')})"


def result_label(task: Task) -> str:
    """Say in a few words what came out."""
    if not task.success:
        return str(task.result).partition(" : ")[0]
    return RESULT_SUMMARIES.get(function_label(task), str)(task.result)


def cut(text: str, width: int) -> str:
    """Keep to one line and a width."""
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 3]}..."
