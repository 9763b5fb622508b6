"""The broker whose queue is a table of the database. ``ORM`` is its public name."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "ORM":  # when it is asked for: the modules in here are imported without each other
        from django_q.brokers.orm.broker import ORM

        return ORM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
