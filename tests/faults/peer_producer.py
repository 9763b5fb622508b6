"""Enqueues for the driver under django-q2: a call a line comes in, and what became of it goes out.

Runs with the Python of django-q2's environment, so it imports nothing of this package.
"""

from __future__ import annotations

import json
import os
import sys

import django
from django.db import connections


def enqueue(path: str, number: int, seconds: float, ballast: int, options: dict) -> dict:
    """Enqueue one task; its id, or what was raised."""
    from django_q.tasks import async_task  # when Django is set up

    arguments = (path, number, seconds, os.urandom(ballast))
    try:
        return {"id": async_task("tests.faults.tasks.work", *arguments, **options)}
    except Exception as error:
        connections.close_all()  # the next call tries a new one
        return {"error": repr(error)}


if __name__ == "__main__":
    django.setup()
    for line in sys.stdin:
        print(json.dumps(enqueue(*json.loads(line))), flush=True)
