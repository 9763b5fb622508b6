"""A real terminal, and what it shows without clusters."""

from __future__ import annotations

import os
import shlex
import signal
import sys

import pexpect
import pyte
import pytest

from tests.waiting import wait_until

OTHER_ID = "another1"


WITHOUT = "No clusters appear to be running."


class Terminal:
    """A command in a terminal, and what is on its screen."""

    def __init__(self, *command: str, width: int = 80, height: int = 24, **env: str) -> None:
        self.screen = pyte.Screen(width, height)
        self.stream = pyte.ByteStream(self.screen)
        self.process = pexpect.spawn(
            *self.program(command),
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", **env},
            dimensions=(height, width),
            # As a shell starts it, although the tests may run where Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        # A terminal answers when it is asked what it can do.
        self.screen.write_process_input = self.process.send

    def program(self, command: tuple[str, ...]) -> tuple[str, list[str]]:
        """Give what is started, and its arguments."""
        return sys.executable, ["-m", "django", *command]

    def read(self) -> None:
        """Take what the command has written."""
        try:
            while True:
                self.stream.feed(self.process.read_nonblocking(65536, timeout=0))
        except (pexpect.TIMEOUT, pexpect.EOF):
            return

    def lines(self) -> list[str]:
        """Give the lines on the screen."""
        self.read()
        return [line.rstrip() for line in self.screen.display]

    def text(self) -> str:
        """Give all that is on the screen."""
        return "\n".join(self.lines())

    def until(self, *texts: str) -> Terminal:
        """Wait until all of these are on the screen."""
        try:
            wait_until(lambda: self.shows(texts) or not self.process.isalive())
            assert self.shows(texts)
        except AssertionError:
            pytest.fail(f"{texts} are not all on the screen:\n{self.text()}")
        return self

    def shows(self, texts: tuple[str, ...]) -> bool:
        """Say whether all of these are on the screen."""
        return all(text in self.text() for text in texts)

    def colour(self, text: str) -> tuple[str, str]:
        """Give the foreground and background of a text."""
        for row, line in enumerate(self.screen.display):
            if text in line:
                character = self.screen.buffer[row][line.index(text)]
                return character.fg, character.bg
        raise AssertionError(f"{text} is not on the screen")

    def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        self.screen.resize(height, width)
        self.process.setwinsize(height, width)

    def press(self, key: str) -> None:
        """Press a key."""
        self.process.send(key)

    def exit_code(self) -> int:
        """Wait for the command's end."""
        wait_until(lambda: self.read() or not self.process.isalive())
        return self.process.exitstatus


class ShellTerminal(Terminal):
    """A command in a terminal that a shell has started, which goes on when the command stops."""

    def program(self, command: tuple[str, ...]) -> tuple[str, list[str]]:
        line = shlex.join([sys.executable, "-m", "django", *command])
        return "/bin/sh", ["-m", "-c", f"{line}; echo the shell again; read answer; fg"]
