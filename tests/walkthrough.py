"""A page of the documentation that is followed step by step, as a person would paste it.

Its blocks are commands with what they print, files to add lines to, and statements for
``manage.py shell``. The page says in the classes of a block in which terminal it is typed.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from tests.clusters import START_DEADLINE
from tests.documented_code import ROOT, values_in_comments
from tests.ports import free_port
from tests.waiting import DEADLINE, comes, wait_until

BLOCK = re.compile(
    r"^\.\. code-block:: (?P<language>console|python)\n(?P<options>(?: +:.*\n)*)\n"
    r"(?P<body>(?:   .*\n|\n)+)",
    re.MULTILINE,
)
OPTION = re.compile(r":(\w+): (.+)")
#: The pages that are followed; the blocks of the others are run one by one.
FOLLOWED_PAGES = ("docs/tutorial.rst",)
#: What is there already where a test runs: an environment with this project; the shell is opened
#: for each block of statements.
DONE_ALREADY = (
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    "python3 -m pip install /path/to/the/clone",
    "python3 manage.py shell",
)
#: What asks for a password, and how it is given where nobody types.
PASSWORD = {"DJANGO_SUPERUSER_PASSWORD": "a password of nobody"}
#: Variables of the test run that no person has set.
OTHER_SETTINGS = ("DJANGO_SETTINGS_MODULE", "Q_CLUSTER_NAME", "PYTHONWARNINGS")


@dataclass(frozen=True)
class Step:
    """A block of a page."""

    where: str
    language: str
    file: str | None  # its caption
    classes: frozenset[str]
    text: str


def steps(page: str) -> Iterator[Step]:
    """List the blocks of a page that are typed or pasted."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("body")) + 1
        options = dict(OPTION.findall(match["options"]))
        body = dedent(match["body"]).strip("\n") + "\n"
        classes = frozenset(options.get("class", "").split())
        yield Step(f"{page}:{line}", match["language"], options.get("caption"), classes, body)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Split what a terminal shows into commands and what they print."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def pattern(expected: str) -> re.Pattern[str]:
    """Make a pattern of output in which ``...`` stands for anything."""
    parts = [re.escape(part) for part in expected.strip().split("...")]
    return re.compile(".*".join(parts), re.DOTALL)


class Walkthrough:
    """Follows a page in an empty directory; ``close`` ends what it has started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.terminals: dict[str, subprocess.Popen] = {}
        #: What stood for ``...`` in the page that was looked at last.
        self.found = ""
        known = {name: value for name, value in os.environ.items() if name not in OTHER_SETTINGS}
        scripts = str(Path(sys.executable).parent)
        path = {"PATH": f"{scripts}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
        self.environment = {**known, **path, **PASSWORD}

    def take(self, step: Step) -> None:
        """Do what a block says."""
        if step.file:
            with (self.folder / step.file).open("a") as file:
                file.write(f"\n\n{step.text}")
        elif "shell" in step.classes:
            self.run_statements(step)
        elif terminals := [name for name in step.classes if name.endswith("-terminal")]:
            self.start(terminals[0], step)
        elif "follow" in step.classes:
            for command, expected in commands(step.text):
                self.look(command, pattern(expected))
        elif step.language == "console":
            for command, expected in commands(step.text):
                self.run_command(command, pattern(expected), step.where)

    def run_command(self, command: str, expected: re.Pattern[str], where: str) -> None:
        """Run a command, and compare what it prints."""
        if command in DONE_ALREADY:
            return
        given = "--noinput" if "createsuperuser" in command else ""
        printed = self.run(f"{command} {given}")
        assert given or expected.search(printed), f"{where}: {printed}"

    def run(self, command: str, text: str = "") -> str:
        """Run a command, and return what it prints. It has to end well."""
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_DEADLINE,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}"
        return done.stdout

    def run_statements(self, step: Step) -> None:
        """Run a block in ``manage.py shell``; the comment behind an expression is what it gives."""
        expected = values_in_comments(step.text)
        lines = [
            f"assert ({ast.unparse(node)}) == {expected[node.end_lineno]!r}, {ast.unparse(node)!r}"
            if isinstance(node, ast.Expr) and node.end_lineno in expected
            else ast.unparse(node)
            for node in ast.parse(step.text).body
        ]
        self.run("python3 manage.py shell", "\n".join(lines))

    def start(self, name: str, step: Step) -> None:
        """Start what stays in a terminal, in the place of what runs there, until it has printed."""
        ((command, expected),) = commands(step.text)
        if "restart" in step.classes:
            self.stop(name)
        if "runserver" in command:
            command += f" 127.0.0.1:{self.port} --noreload"
        log = self.log(name)
        shown_before = log.stat().st_size if log.exists() else 0
        with log.open("a") as file:
            self.terminals[name] = subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        shown = pattern(expected)
        wait_until(lambda: shown.search(log.read_text(), shown_before), START_DEADLINE)

    def log(self, name: str) -> Path:
        """What a terminal shows."""
        return self.folder / f"{name}.log"

    def stop(self, name: str) -> None:
        """Press Ctrl-C in a terminal, and wait for the end."""
        process = self.terminals.pop(name)
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE)

    def look(self, command: str, expected: re.Pattern[str]) -> None:
        """Open an address until it shows what the page says; ``...`` in it is what was found."""
        address = command.replace(":8000", f":{self.port}").replace("...", self.found)
        pages: list[str] = []

        def shown() -> bool:
            pages.append(self.run(f"{address} --silent --retry 20 --retry-connrefused"))
            return bool(expected.search(pages[-1]))

        # Less often than a state in memory: each look is a process, and a request.
        assert comes(shown, DEADLINE, interval=0.2), f"{command}: {pages[-1]}"
        if found := re.search(r"/report/(.+?)/", pages[-1]):
            self.found = found[1]

    def close(self) -> None:
        """End what runs in the terminals."""
        for name in list(self.terminals):
            self.stop(name)
