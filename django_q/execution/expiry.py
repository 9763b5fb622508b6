"""End a task that was not begun before its option ``expires`` ended."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from datetime import timezone as dt_timezone

from django.utils import timezone

from django_q.exceptions import Expired
from django_q.execution.run_details import describe_failure
from django_q.text.error_text import safe_str
from django_q.wire.package import TaskPackage


def end_as_expired(package: TaskPackage) -> None:
    """Write into a package with ``expired`` that its task has failed, without running it."""
    error = Expired(expiry_text(package))
    package["success"] = False
    package["result"] = f"{error!r} : the task was not run"
    package["stopped"] = timezone.now()
    package.update(describe_failure(error, package["func"]))


def expiry_text(package: TaskPackage) -> str:
    """Say since when a task must not be begun any more, and what its call had asked for."""
    late = timedelta(seconds=package["expired"])
    now = datetime.fromtimestamp(time.time(), dt_timezone.utc)
    end = f"{now - late:%Y-%m-%d %H:%M:%S} UTC"
    asked = package.get("expires")
    option = "" if asked is None else f" (expires={safe_str(asked)})"
    return f"It had to begin before {end}{option}, {late} before a worker could begin it."
