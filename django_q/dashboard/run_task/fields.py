"""A form from the signature of a function: a typed field for each parameter."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from django_q.dashboard.hidden_values import hidden_keys, is_hidden
from django_q.exceptions import contain_error
from django_q.text.representation import represent

#: In front of the names of the fields, so that a parameter may be called "action".
FIELD_PREFIX = "argument"
PARAMETER_KINDS = (
    Parameter.POSITIONAL_ONLY,
    Parameter.POSITIONAL_OR_KEYWORD,
    Parameter.KEYWORD_ONLY,
)
TYPED_FIELDS: dict[Any, type[forms.Field]] = {
    str: forms.CharField,
    int: forms.IntegerField,
    float: forms.FloatField,
    bool: forms.BooleanField,
    Decimal: forms.DecimalField,
    date: forms.DateField,
    datetime: forms.DateTimeField,
}


#: What an empty field for any value gives.
NOT_GIVEN = object()


class LiteralField(forms.CharField):
    """A value as it is written in Python."""

    default_error_messages = {"literal": _("Enter a value as it is written in Python.")}

    def clean(self, value: Any) -> Any:
        """Read the value; ``NOT_GIVEN`` for an empty field, as None is a value."""
        text = super().clean(value)
        if not text:
            return NOT_GIVEN
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise ValidationError(self.error_messages["literal"], code="literal") from error


def form_for(
    func: Callable, data: Mapping[str, Any] | None = None, secret: Iterable[str] = ()
) -> forms.Form:
    """Make the form of a function; those of ``*args`` and ``**kwargs`` are left out.

    ``secret`` names parameters that are hidden beside those which the settings name.
    """
    hints, keys = type_hints(func), hidden_keys(secret)
    fields = {each.name: field_for(each, hints.get(each.name), keys)
              for each in parameters_of(func)}  # fmt: skip
    form = type("ArgumentsForm", (forms.Form,), fields)
    return form(data, prefix=FIELD_PREFIX)


def parameters_of(func: Callable) -> list[Parameter]:
    """List the parameters that have a name."""
    return [each for each in signature(func).parameters.values() if each.kind in PARAMETER_KINDS]


def type_hints(func: Callable) -> dict[str, Any]:
    """Read the annotations of a function; none where one of them can not be read."""
    try:
        return get_type_hints(func)
    except BaseException as error:  # annotations are code
        contain_error(error)
        return {}


def field_for(parameter: Parameter, annotation: Any, keys: frozenset[str]) -> forms.Field:
    """Make the field of a parameter: of its type, or for a value as it is written in Python.

    That of a hidden one, as ``keys`` name them, shows neither its default nor what is typed.
    """
    kind, is_optional = without_none(annotation)
    default = parameter.default
    has_default = default is not Parameter.empty
    options: dict[str, Any] = {
        "label": parameter.name,
        "required": not (has_default or is_optional or kind in (bool, str)),
    }
    if get_origin(kind) is Literal:
        return choice_field(get_args(kind), default, options)
    field = TYPED_FIELDS.get(kind, LiteralField)
    hides = is_hidden(parameter.name, keys)
    if has_default and default is not None and not hides:
        options["initial"] = represent(default) if field is LiteralField else default
    if field is forms.CharField:
        options["strip"] = False
    if field is LiteralField:
        options["help_text"] = _("As it is written in Python, such as 3, 'text' or [1, 2].")
    if hides and field is not forms.BooleanField:
        options["widget"] = forms.PasswordInput(attrs={"autocomplete": "off"})
    return field(**options)


def choice_field(values: tuple, default: Any, options: dict[str, Any]) -> forms.Field:
    """Make a field for one of some values."""
    texts = {str(value): value for value in values}
    choices = [(text, text) for text in texts]
    if not options["required"]:
        choices.insert(0, ("", "---------"))
    if default is not Parameter.empty and default is not None:
        options["initial"] = str(default)
    return forms.TypedChoiceField(
        choices=choices, coerce=texts.__getitem__, empty_value=None, **options
    )


def without_none(annotation: Any) -> tuple[Any, bool]:
    """Take None out of a union: what is left, and whether there was one."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation, False
    kinds = [each for each in get_args(annotation) if each is not NoneType]
    has_none = len(kinds) < len(get_args(annotation))
    return (kinds[0] if len(kinds) == 1 else None), has_none


def arguments_from(func: Callable, form: forms.Form) -> tuple[tuple, dict[str, Any]]:
    """Return the arguments of a valid form: positional, and by name.

    A field that was left empty is left out where its parameter has a default.
    """
    args, kwargs = [], {}
    takes_positional = True
    for parameter in parameters_of(func):
        value = form.cleaned_data[parameter.name]
        has_default = parameter.default is not Parameter.empty
        is_empty = value is NOT_GIVEN or (value in (None, "") and not is_literal(form, parameter))
        if has_default and is_empty:
            takes_positional = False
            continue
        value = None if value is NOT_GIVEN else value
        if parameter.kind is Parameter.POSITIONAL_ONLY and takes_positional:
            args.append(value)
        else:
            kwargs[parameter.name] = value
    return tuple(args), kwargs


def is_literal(form: forms.Form, parameter: Parameter) -> bool:
    """Return True if the field of a parameter takes any value."""
    return isinstance(form.fields[parameter.name], LiteralField)
