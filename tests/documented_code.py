"""The Python of a page of the documentation, and how it is run."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from textwrap import dedent
from tokenize import COMMENT, generate_tokens
from types import CodeType, ModuleType
from typing import Any

from django_q.brokers import get_broker
from django_q.checks import examine
from django_q.conf import Conf
from django_q.testing import enqueued
from tests.waiting import DEADLINE, wait_until

ROOT = Path(__file__).parent.parent

PYTHON = re.compile(
    r"^(?P<indent> *)\.\. code-block:: python\n(?P<options>(?: +:.*\n)*)\n"
    r"(?P<body>(?:(?P=indent)   .*\n|\n)+)",
    re.MULTILINE,
)
CAPTION = re.compile(r":caption: (.+)")
#: How statements wait for a task.
WAITING = re.compile(r"\bwait=\d+")
#: What a cluster makes true in its own time: an example before it may have enqueued a task.
READ_AGAIN = ("queue_size()",)
#: What a piece says whose tasks are to wait in the queue. Elsewhere they are run at once.
QUEUED = ":class: queued"


@dataclass(frozen=True)
class Block:
    """A piece of Python on a page."""

    page: str
    line: int
    file: str | None  # its caption: the module that it stands in
    source: str
    is_queued: bool = False

    @property
    def where(self) -> str:
        """Where it is, for tracebacks."""
        return f"{self.page}:{self.line}"


def blocks(page: str) -> Iterator[Block]:
    """List the Python of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in PYTHON.finditer(text):
        line = text.count("\n", 0, match.start("body")) + 1
        caption = CAPTION.search(match["options"])
        source = dedent(match["body"]).strip("\n") + "\n"
        yield Block(page, line, caption and caption[1], source, QUEUED in match["options"])


class Page:
    """Runs the code of one page, from top to bottom, in one namespace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "docs"}

    def run(self, block: Block) -> None:
        """Run a block in the way its caption asks for."""
        if block.file == "settings.py":
            check_settings(block)
        elif block.file and is_test(block.file):
            saved = dict(vars(Conf))
            run_tests(self.module(block))
            vars(Conf).update(saved)  # override_settings has read those of the tests again
        elif block.file:
            self.module(block)
        elif block.is_queued:
            with tasks_that_wait():
                self.statements(block)
        else:
            self.statements(block)

    def write(self, block: Block) -> None:
        """Add the source to the module that the caption names."""
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(block.source)

    def module(self, block: Block) -> ModuleType:
        """Add the source to the module that the caption names, and import it."""
        self.write(block)
        name = block.file.removesuffix(".py").replace("/", ".")
        importlib.invalidate_caches()
        for old in [old for old in sys.modules if old == name or name.startswith(f"{old}.")]:
            if getattr(sys.modules[old], "__file__", None) is None or old == name:
                del sys.modules[old]
        return importlib.import_module(name)

    def statements(self, block: Block) -> None:
        """Run statement by statement; the comment behind an expression is what it gives."""
        expected = values_in_comments(block.source)
        for node in ast.parse(block.source).body:
            where = f"{block.page}:{block.line + node.lineno - 1}"
            if not isinstance(node, ast.Expr):
                exec(compile(ast.Module([node], []), where, "exec"), self.names)
                continue
            code = compile(ast.Expression(node.value), where, "eval")
            if node.end_lineno not in expected:
                eval(code, self.names)
            elif ast.unparse(node) in READ_AGAIN:
                self.wait_for(code, expected[node.end_lineno])
            else:
                assert eval(code, self.names) == expected[node.end_lineno], where

    def wait_for(self, code: CodeType, expected: Any) -> None:
        """Read a value until it is the one that is expected."""
        wait_until(lambda: eval(code, self.names) == expected)


def is_test(file: str) -> bool:
    """Whether a module has tests."""
    return file.rpartition("/")[2].startswith("test")


class ServedPage(Page):
    """A page whose modules are all written when it is opened, for a cluster that starts then."""

    def __init__(self, folder: Path, page: str) -> None:
        super().__init__(folder)
        self.blocks = list(blocks(page))
        for block in self.blocks:
            if block.file and block.file != "settings.py" and not is_test(block.file):
                self.write(block)

    def run_statements(self) -> None:
        """Run the statements, without those whose tasks are to wait in the queue.

        Where little of a processor is left, what they wait for takes longer than they say.
        """
        for block in self.blocks:
            if not block.file and not block.is_queued:
                source = WAITING.sub(f"wait={DEADLINE}_000", block.source)
                self.statements(replace(block, source=source))


def waits(page: str) -> bool:
    """Whether statements of a page wait for the end of a task."""
    return any(not block.file and WAITING.search(block.source) for block in blocks(page))


def has_modules(page: str) -> bool:
    """Whether a page has modules, which a cluster has to find."""
    return any(block.file and block.file.startswith("shop/") for block in blocks(page))


@contextmanager
def tasks_that_wait() -> Iterator[None]:
    """Have tasks wait in the queue; in the end it is emptied."""
    saved, Conf.SYNC = Conf.SYNC, False
    try:
        yield
    finally:
        Conf.SYNC = saved
        get_broker().delete_queue()


def values_in_comments(source: str) -> dict[int, Any]:
    """Read the comments that begin with a Python literal, by line."""
    found = {}
    for token in generate_tokens(StringIO(source).readline):
        if token.type == COMMENT:
            text = token.string.lstrip("# ")
            for candidate in (text, text.partition(", ")[0]):
                try:
                    found[token.start[0]] = ast.literal_eval(candidate)
                    break
                except (SyntaxError, ValueError):
                    continue
    return found


def check_settings(block: Block) -> None:
    """Run settings, and see that ``Q_CLUSTER`` is as it should be."""
    names: dict[str, Any] = {}
    exec(compile(block.source, block.where, "exec"), names)
    messages = list(examine(names.get("Q_CLUSTER")))
    assert [str(message) for message in messages] == [], block.where


def run_tests(module: ModuleType) -> None:
    """Run the tests in a module: classes, and functions that have the fixture of the kit."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    functions = [value for name, value in vars(module).items() if name.startswith("test_")]
    for function in functions:
        with enqueued() as tasks:
            function(tasks, db=None)
    assert result.testsRun or functions
    assert [text for _, text in result.errors + result.failures] == []
