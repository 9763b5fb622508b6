"""The search language: ``func:mail* error:"timed out" state:failed since:1h`` and bare words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _

from django_q.dashboard.hidden_values import HIDDEN_NOTE
from django_q.dashboard.task_search.fields import (
    BY_INDEX,
    COMPARED,
    WORDS,
    Field,
    SearchError,
    TaskMatcher,
    find_field,
    moment_of,
)
from django_q.dashboard.task_search.listed_task import (
    ALL_STATES,
    FAILED_STATES,
    SUCCEEDED,
    UNFINISHED,
    ListedTask,
)
from django_q.dashboard.task_search.patterns import ANY_CHARACTER, ANY_TEXT, has_wildcards
from django_q.unfinished.reading import normal_id
from django_q.unfinished.task import UNFINISHED_STATES

#: A term: the name of a field and a colon, or neither; then a value, in quotes or without.
TERM = re.compile(r'\s*(?:([A-Za-z_]+):)?(?:"([^"]*)"|(\S*))')
#: Characters and terms of a search at most.
MAX_SEARCH_LENGTH, MAX_TERMS = 1000, 20
#: Characters of a value in a term that is written for a link.
MAX_LINKED_CHARACTERS = 500
#: What no term can have: a quote, and what no address or database can have.
UNWRITABLE = re.compile(r'["\0\ud800-\udfff]')


def quoted(value: str) -> str:
    """Write a value in quotes if it needs them."""
    return f'"{value}"' if re.search(r"\s", value) else value


def term_for(name: str, value: str) -> str:
    """Write the term that finds a value in a field, with wildcards for what no term can have."""
    end = ANY_TEXT if len(value) > MAX_LINKED_CHARACTERS else ""
    return f"{name}:{quoted(UNWRITABLE.sub(ANY_CHARACTER, value[:MAX_LINKED_CHARACTERS]) + end)}"


@dataclass(frozen=True)
class Term:
    """What a search asks for: the name of its field, empty for a bare word, and the value."""

    name: str
    value: str
    field: Field
    matches: TaskMatcher

    @property
    def is_indexed(self) -> bool:
        """Whether an index finds the tasks that have ended."""
        if self.name == "state":
            return self.value.lower() in (SUCCEEDED, UNFINISHED, *UNFINISHED_STATES)
        return self.field.text == BY_INDEX and not has_wildcards(self.value)

    @property
    def answer(self) -> str:
        """How it is answered, for people."""
        return str(BY_INDEX if self.is_indexed else COMPARED)

    def __str__(self) -> str:
        value = quoted(self.value)
        return f"{self.name}:{value}" if self.name else value


@dataclass(frozen=True)
class Query:
    """A search that was understood."""

    text: str = ""
    now: datetime | None = None
    terms: list[Term] = field(default_factory=list)
    #: The states of which the tasks may be seen.
    permitted: frozenset[str] = frozenset(ALL_STATES)
    #: Whether the arguments of tasks may be seen. If not, no search finds out what they are.
    sees_values: bool = True

    def matches(self, task: ListedTask) -> bool:
        """Return True if a task is what all terms ask for.

        Its arguments are hidden from then on, if they may not be seen.
        """
        task.hides_values = not self.sees_values
        return task.state in self.permitted and all(term.matches(task) for term in self.terms)

    def exact(self, name: str) -> str | None:
        """Return the value of the first term of a field that has no wildcard."""
        found = (each.value for each in self.terms if each.name == name)
        return next((value for value in found if not has_wildcards(value)), None)

    @property
    def task_id(self) -> str | None:
        """The id that is asked for, by its field or as the only bare word."""
        value = self.exact("id")
        return None if value is None else normal_id(value)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of ``Task`` that are compared, beyond those of the list."""
        return frozenset().union(*(term.field.columns for term in self.terms))

    @property
    def states(self) -> frozenset[str]:
        """The states that tasks may have."""
        states = self.permitted
        for term in self.terms:
            if term.name == "state":
                name = term.value.lower()
                states &= frozenset(UNFINISHED_STATES if name == UNFINISHED else (name,))
            elif term.name in ("error", "kind"):  # only failures have them
                states &= frozenset(FAILED_STATES)
        return states

    @property
    def is_for_unfinished(self) -> bool:
        """Whether it asks for unfinished tasks alone."""
        return self.states <= frozenset(UNFINISHED_STATES)

    def moment(self, name: str) -> datetime | None:
        """Return the time of the first term ``since`` or ``until``."""
        value = self.exact(name)
        return None if value is None else moment_of(value, self.now)


def parse(
    text: str,
    now: datetime,
    permitted: frozenset[str] = frozenset(ALL_STATES),
    sees_values: bool = True,
) -> Query:
    """Read a search. Raises ``SearchError`` with what was expected and what came."""
    if len(text) > MAX_SEARCH_LENGTH:
        message = _("expected at most %(limit)d characters, got %(length)d")
        raise SearchError(message % {"limit": MAX_SEARCH_LENGTH, "length": len(text)})
    terms, position, text = [], 0, text.strip()
    while position < len(text):
        match = TERM.match(text, position)
        terms.append(make_term(match[1] or "", match[2], match[3], now))
        position = match.end()
    if len(terms) > MAX_TERMS:
        message = _("expected at most %(limit)d terms, got %(number)d")
        raise SearchError(message % {"limit": MAX_TERMS, "number": len(terms)})
    if not sees_values and any(term.name == "args" for term in terms):
        raise SearchError(str(HIDDEN_NOTE))
    return Query(text, now, terms, permitted, sees_values)


def make_term(name: str, quoted: str | None, bare: str | None, now: datetime) -> Term:
    """Make a term of the parts of its text."""
    value = bare if quoted is None else quoted
    if quoted is None and '"' in value:
        raise SearchError(_('a quote is not closed: expected a second " behind %(text)s')
                          % {"text": value})  # fmt: skip
    if not value.strip():
        raise SearchError(_("expected a value behind '%(name)s:'") % {"name": name})
    name, known = find_field(name) if name else ("", WORDS)
    if not name and re.fullmatch("[0-9a-f]{32}", value):
        name, known = find_field("id")
    return Term(name, value, known, known.make(value, now))
