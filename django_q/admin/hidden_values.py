"""Arguments and results in the admin, hidden from users who may not see them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_q.dashboard.access import sees_values
from django_q.dashboard.hidden_values import HIDDEN_NOTE

#: Columns that no filter in an address may compare: what is in them would be found by trying.
UNFILTERED_COLUMNS = frozenset({"args", "kwargs", "result", "payload", "options", "attempts"})
#: The field that stands for all that are hidden.
STAND_IN = "hidden_values"


class HiddenValuesMixin:
    """Pages of rows whose arguments and results not everybody may see."""

    #: The fields that show them, be they columns or not.
    value_fields: Collection[str] = ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Replace the fields by one that says what is hidden, in rows that exist."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or sees_values(request.user):
            return fieldsets
        hidden = self.hidden_fields()
        return [
            (title, {**options, "fields": without_values(options["fields"], hidden)})
            for title, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Make what is hidden read-only, so that no form has it."""
        fields = super().get_readonly_fields(request, obj)
        if obj is None or sees_values(request.user):
            return fields
        return [*fields, *sorted(self.hidden_fields() - {*fields}), STAND_IN]

    def hidden_fields(self) -> set[str]:
        """Return the names of the fields that are hidden."""
        return {*self.value_fields}

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Refuse filters by hidden columns in an address."""
        if lookup.partition("__")[0] in UNFILTERED_COLUMNS and lookup not in self.offered_lookups():
            return request is not None and sees_values(request.user)
        return super().lookup_allowed(lookup, value, request)

    def offered_lookups(self) -> Collection[str]:
        """Return the filters by such columns that show no values."""
        return ("options__queue", "options__backend")

    @admin.display(description=_("arguments and results"))
    def hidden_values(self, row: Any) -> Any:
        """Say that they are hidden, and what shows them."""
        return HIDDEN_NOTE


def without_values(fields: Any, hidden: set[str]) -> list[Any]:
    """List fields with one in place of those that are hidden."""
    names = list(fields)
    shown = [name for name in names if name not in hidden]
    if len(shown) < len(names):
        first = next(index for index, name in enumerate(names) if name in hidden)
        shown.insert(first, STAND_IN)
    return shown
