"""Ctrl-Z on a screen, in a shell."""

from __future__ import annotations

import pyte
import pytest

from tests.processes.terminal.real_terminal import ShellTerminal, Terminal
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]
CTRL_Z = "\x1a"


def has_cursor(terminal: Terminal) -> bool:
    """Say whether the cursor is seen, as outside of a screen."""
    terminal.read()
    return pyte.modes.DECTCEM in terminal.screen.mode


@pytest.mark.parametrize("command", ["qmonitor", "qmonitor --classic", "qmemory"])
def test_the_shell_gets_its_terminal_back_until_the_screen_goes_on(terminal, clusters, command):
    screen = terminal(*command.split(), kind=ShellTerminal, width=120).until("bee")
    assert not has_cursor(screen)

    screen.press(CTRL_Z)
    screen.until("the shell again")
    assert has_cursor(screen)
    screen.press("typed\r")
    wait_until(lambda: not has_cursor(screen))
    wait_until(lambda: "the shell again" not in screen.text())
    screen.until("bee")

    screen.press("q")
    assert screen.exit_code() == 0
