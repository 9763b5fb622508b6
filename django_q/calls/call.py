"""The base class of ``AsyncTask``, ``Iter`` and ``Chain``: the options of a call as attributes."""

from __future__ import annotations

from typing import Any

from django_q.exceptions import UnknownOption
from django_q.wire.option_types import closest_name_hint
from django_q.wire.package import KEYWORD_OPTIONS, KNOWN_OPTIONS


class Option:
    """An option of a call, as an attribute. After it was set the call has to be run again."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, call: Call | None, owner: type) -> Any:
        if call is None:
            return self
        given = call.options_dict()
        bare = given.get(self.name) if call.is_keyword_option(self.name) else None
        return (given.get("q_options") or {}).get(self.name, bare)

    def __set__(self, call: Call, value: Any) -> None:
        call.started = False
        given = call.options_dict()
        if not call.is_keyword_option(self.name):
            given["q_options"] = given.get("q_options") or {}
            given["q_options"][self.name] = value
        else:
            (given.get("q_options") or given)[self.name] = value


class Call:
    """A call with its options as attributes. A misspelt one is refused: it would have no effect."""

    #: Attributes of calls that are no options.
    id, started, func, args, kwargs, options = "", False, None, (), None, None

    broker = Option()
    sync = Option()
    save = Option()
    hook = Option()
    group = Option()
    cached = Option()
    task_name = Option()
    timeout = Option()
    max_attempts = Option()
    ack_failure = Option()
    on_commit = Option()
    chain = Option()
    cluster = Option()
    redis = Option()
    list_key = Option()
    priority = Option()
    run_after = Option()
    expires = Option()
    unique = Option()
    unique_for = Option()
    on_duplicate = Option()
    idempotency_key = Option()
    idempotency_for = Option()
    track = Option()

    def options_dict(self) -> dict[str, Any]:
        """Return the dictionary that holds the options."""
        raise NotImplementedError

    def is_keyword_option(self, name: str) -> bool:
        """Return True if an option stands among the keyword arguments of the function."""
        return name in KEYWORD_OPTIONS

    def __setattr__(self, name: str, value: Any) -> None:
        # Subclasses of projects may have attributes of their own.
        is_ours = type(self).__module__.rpartition(".")[0] == __package__
        if is_ours and not hasattr(self, name) and (hint := closest_name_hint(name, KNOWN_OPTIONS)):
            raise UnknownOption(f"A {type(self).__name__} has no option '{name}'. {hint}")
        object.__setattr__(self, name, value)
