"""A finding: what was found, how bad it is, and what cures it."""

from __future__ import annotations

from dataclasses import dataclass

#: Tasks are not run, lost or misread now. The exit code of ``qdoctor`` is 1.
ERROR = "error"
#: It works, and will not under load, after a restart, or for some tasks.
WARNING = "warning"
#: Nothing is wrong with it; it explains what else is seen.
NOTE = "info"
#: The worst first.
LEVELS = (ERROR, WARNING, NOTE)


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    #: Stable, and described in docs/doctor.rst; that of a system check for what such a one says.
    id: str
    #: One of LEVELS.
    level: str
    #: A sentence or two, without secrets.
    found: str
    #: What to do about it; only a NOTE may need nothing.
    cure: str = ""


def counted(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def error(finding_id: str, found: str, cure: str) -> Finding:
    """Make the finding of something that does not work."""
    return Finding(finding_id, ERROR, found, cure)


def warning(finding_id: str, found: str, cure: str) -> Finding:
    """Make the finding of something that will not work in some case."""
    return Finding(finding_id, WARNING, found, cure)


def info(finding_id: str, found: str, cure: str = "") -> Finding:
    """Make the finding of a fact."""
    return Finding(finding_id, NOTE, found, cure)
