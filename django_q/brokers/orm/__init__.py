"""The broker whose queue is a table of the database. ``ORM`` is its public name."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "ORM":  # on access only: the modules of this folder are imported without it
        from django_q.brokers.orm.broker import ORM

        return ORM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
