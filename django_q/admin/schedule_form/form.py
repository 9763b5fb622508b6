"""The form of a schedule."""

from __future__ import annotations

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.translation import gettext_lazy as _

from django_q.admin.schedule_form.options_text import join_options, parse_options, split_options
from django_q.admin.schedule_form.widgets import LongSelect
from django_q.conf import Conf
from django_q.models import Schedule
from django_q.wire import allowed_functions

#: Fields that django-q2 does not have.
NEW_FIELDS = ("time_zone", "catch_up", "overlap", "paused", "jitter")

#: The names of all time zones; cached, because finding them reads 600 files.
time_zone_names = cache(available_timezones)


def with_allowed_functions(help_text: Any) -> str:
    """Add what may be called to a help text, if ``Q_CLUSTER['functions']`` limits that."""
    if Conf.FUNCTIONS is None:
        return help_text
    text = _("Allowed are: %(names)s.") % {
        "names": ", ".join(map(str, allowed_functions.listed_names()))
    }
    return f"{help_text} {text}"


class ScheduleForm(forms.ModelForm):
    """The form of a schedule, with a choice of time zones, and the options of its tasks."""

    options = forms.CharField(
        label=_("Options"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
        help_text=_("Of its tasks, as they are called: retries=3, priority=10, expires=600"),
    )

    class Meta:
        widgets = {
            "args": forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
            "kwargs": forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in {"func", "hook"} & self.fields.keys():
            self.fields[name].help_text = with_allowed_functions(self.fields[name].help_text)
        if "time_zone" in self.fields:
            names = sorted({*time_zone_names(), self.instance.time_zone or ""} - {""})
            choices = [("", _("That of the project")), *((name, name) for name in names)]
            self.fields["time_zone"].widget = LongSelect(choices=choices)
        if "overlap" in self.fields:
            self.fields["overlap"].required = False
        if "catch_up" in self.fields:
            empty = ("", _("As the cluster is set"))
            self.fields["catch_up"].choices = [empty, *Schedule.CATCH_UP]
        rest, options = split_options(self.initial.get("kwargs"))
        if options:
            self.initial |= {"kwargs": rest, "options": options}

    def clean_options(self) -> dict[str, Any]:
        """Read the options. Raises ValidationError that says which is wrong."""
        try:
            return parse_options(self.cleaned_data["options"])
        except ValueError as error:
            raise forms.ValidationError(str(error), code="options") from error

    def clean(self) -> dict[str, Any]:
        """Join the options with the keyword arguments, which hold them.

        ``NEW_FIELDS`` stay as they are where a client of django-q2 sends a form without them.
        """
        cleaned = super().clean() or self.cleaned_data
        if self.add_prefix("overlap") not in self.data:
            for name in {*NEW_FIELDS} & {*self.fields}:
                cleaned[name] = getattr(self.instance, name)
        if "kwargs" in cleaned and isinstance(cleaned.get("options"), dict):
            try:
                cleaned["kwargs"] = join_options(cleaned["kwargs"] or "", cleaned["options"])
            except ValueError as error:  # q_options among them are none
                self.add_error("kwargs", str(error))
        return cleaned
