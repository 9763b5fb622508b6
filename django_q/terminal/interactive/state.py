"""What a person sees of the interactive monitor and has typed; it knows no terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType


class Mode(Enum):
    """What the keys mean."""

    BROWSE = "browse"  #: the rows of a view
    FILTER = "filter"  #: a filter is typed
    CONFIRM = "confirm"  #: an order waits for y or n
    DETAILS = "details"  #: all that is known of one row
    HELP = "help"  #: the keys


@dataclass(frozen=True)
class Message:
    """A line for the person: what became of an order, or what is wrong."""

    text: str = ""
    is_error: bool = False


@dataclass(frozen=True)
class Order:
    """What is to be done when the person says yes. ``give`` returns what became of it."""

    question: str
    give: Callable[[], str]


@dataclass(frozen=True)
class Selection:
    """The selected row of a view: by its key, and where it was, for when it is gone."""

    key: str = ""
    index: int = 0

    def index_in(self, keys: Sequence[str]) -> int | None:
        """Find the row among those that there are now; None where there are none."""
        if not keys:
            return None
        return keys.index(self.key) if self.key in keys else min(self.index, len(keys) - 1)


@dataclass(frozen=True)
class State:
    """The state of the screen."""

    view: str = "clusters"  #: its name
    mode: Mode = Mode.BROWSE
    #: By the name of the view.
    selections: Mapping[str, Selection] = field(default_factory=lambda: MappingProxyType({}))
    filters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    message: Message = field(default_factory=Message)
    order: Order | None = None  #: the one that waits for an answer
    details: tuple[str, ...] = ()  #: lines, once they are there
    scroll: int = 0  #: lines of the details above the screen
    is_over: bool = False  #: the person wants to quit

    @property
    def filter(self) -> str:
        """The filter of the view."""
        return self.filters.get(self.view, "")

    @property
    def selection(self) -> Selection:
        """The selected row of the view."""
        return self.selections.get(self.view, Selection())

    def with_filter(self, text: str) -> State:
        """Set the filter of the view."""
        return replace(self, filters={**self.filters, self.view: text})

    def with_selection(self, key: str, index: int) -> State:
        """Select a row of the view."""
        selections = {**self.selections, self.view: Selection(key, index)}
        return replace(self, selections=selections)

    def told(self, text: str) -> State:
        """Show a message that is no error."""
        return replace(self, message=Message(text))
