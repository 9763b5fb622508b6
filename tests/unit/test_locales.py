"""The translations: complete, true to their messages, compiled, and short enough for a terminal.

After a change of messages, write the catalogs anew, translate what is empty or fuzzy, compile::

    cd django_q
    django-admin makemessages --all --no-location --no-wrap --no-obsolete
    django-admin compilemessages
"""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils import translation

import django_q
from django_q.status import STATES, Stat
from django_q.terminal.cluster_screen import header, summary_rows
from django_q.terminal.drawing.draw import PlainTerminal
from django_q.terminal.drawing.table import CELL_CUT_MARK, Cell, Row, fit_row
from django_q.terminal.interactive.screen import keys_row, tabs_row
from django_q.terminal.interactive.state import State
from django_q.terminal.interactive.views import VIEWS
from django_q.terminal.memory_screen import MemoryScreen, worker_rows
from django_q.terminal.queue_figures import MAX_COUNTED_ROWS, Figures
from django_q.terminal.report import RATE_UNITS, rows

pytestmark = pytest.mark.once

PACKAGE = Path(django_q.__file__).parent
CATALOGS = {path.parts[-3]: path for path in PACKAGE.glob("locale/*/LC_MESSAGES/django.po")}
#: Scheduled tasks, as the admin's index names them.
SCHEDULED = {
    "de": "Geplante Aufgaben",
    "es": "Tareas programadas",
    "fr": "Tâches planifiées",
    "ja": "スケジュールされたタスク",
    "nl": "Geplande taken",
    "pt_BR": "Tarefas agendadas",
    "ru": "Запланированные задачи",
    "tr": "Zamanlanmış görevler",  # noqa: RUF001 - Turkish has a dotless i
    "zh_Hans": "定时任务",
}

#: One or more strings in a row, as the catalogs write them.
TEXT = r'((?:"(?:[^"\\\n]|\\.)*"\s*)+)'
ENTRY = re.compile(
    rf"^(?:msgctxt {TEXT})?msgid {TEXT}(?:msgid_plural {TEXT})?((?:^msgstr\S* {TEXT})+)", re.M
)
PLACEHOLDER = re.compile(r"%%|%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[a-z]")
#: What marks a message, with the names of its arguments.
MARKS = {
    "_": ("id",),
    "gettext": ("id",),
    "gettext_lazy": ("id",),
    "ngettext": ("id", "plural"),
    "ngettext_lazy": ("id", "plural"),
    "pgettext": ("context", "id"),
    "pgettext_lazy": ("context", "id"),
    "npgettext": ("context", "id", "plural"),
    "npgettext_lazy": ("context", "id", "plural"),
}
TEMPLATE_MARK = re.compile(r"{%\s*trans(?:late)?\s+(?:'([^']+)'|\"([^\"]+)\")\s*%}")


class Message(NamedTuple):
    """What is to be translated."""

    id: str
    plural: str = ""
    context: str = ""

    @property
    def key(self) -> str:
        """The message as compiled catalogs name it."""
        context = f"{self.context}\4" if self.context else ""
        return context + (f"{self.id}\0{self.plural}" if self.plural else self.id)


class Entry(NamedTuple):
    """A message and its translations, one for each plural form."""

    message: Message
    forms: list[str]


def unquoted(text: str) -> str:
    """Read strings of a catalog."""
    return "".join(map(ast.literal_eval, text.strip().splitlines()))


def read(path: Path) -> list[Entry]:
    """Read a catalog; its header is the translation of an empty message."""
    return [
        Entry(
            Message(unquoted(id_), unquoted(plural), unquoted(context)),
            [unquoted(form) for form in re.findall(rf"^msgstr\S* {TEXT}", forms, re.M)],
        )
        for context, id_, plural, forms, _last in ENTRY.findall(path.read_text("utf-8"))
    ]


def compiled(data: bytes) -> dict[str, str]:
    """Read a compiled catalog."""
    magic, _revision, count, ids, texts = struct.unpack_from("<5I", data)
    assert magic == 0x950412DE

    def text(table: int, number: int) -> str:
        size, start = struct.unpack_from("<2I", data, table + 8 * number)
        return data[start : start + size].decode()

    return {text(ids, number): text(texts, number) for number in range(count)}


def marked(folder: Path) -> set[Message]:
    """Find the messages that code and templates mark."""
    found = {
        message for path in folder.rglob("*.py") for message in marked_in(path.read_text("utf-8"))
    }
    for path in folder.rglob("*.html"):
        found.update(
            Message(one or two) for one, two in TEMPLATE_MARK.findall(path.read_text("utf-8"))
        )
    return found


def marked_in(source: str) -> Iterator[Message]:
    """Find the messages that code marks, in f-strings as well."""
    for node in ast.walk(ast.parse(source)):
        names = MARKS.get(getattr(node.func, "id", "")) if isinstance(node, ast.Call) else None
        if names:
            values = [ast.literal_eval(argument) for argument in node.args[: len(names)]]
            yield Message(**dict(zip(names, values, strict=True)))


@pytest.fixture(params=sorted(CATALOGS))
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """Speak each language in turn."""
    with translation.override(translation.to_language(request.param)):
        yield request.param


@pytest.fixture
def entries(language: str) -> list[Entry]:
    """Read the catalog of the language, without its header."""
    return read(CATALOGS[language])[1:]


def test_the_languages_are_those_that_are_promised():
    assert set(CATALOGS) == set(SCHEDULED)


def test_a_catalog_has_every_message_and_no_other(entries):
    have = [entry.message for entry in entries]

    assert len(have) == len(set(have))
    assert set(have) == marked(PACKAGE)


def test_every_message_is_translated_in_each_of_its_plural_forms(language, entries):
    head = read(CATALOGS[language])[0]
    plurals = int(re.search(r"nplurals=(\d)", head.forms[0])[1])

    for message, forms in entries:
        assert len(forms) == (plurals if message.plural else 1), message
        assert all(forms), message


def test_nothing_is_fuzzy_or_obsolete(language):
    text = CATALOGS[language].read_text("utf-8")

    assert not re.search("^#,.*fuzzy|^#~", text, re.M)


def test_a_translation_has_the_placeholders_of_its_message(entries):
    for message, forms in entries:
        wanted = sorted(PLACEHOLDER.findall(message.id))
        for form in forms:
            assert sorted(PLACEHOLDER.findall(form)) == wanted, form


def test_the_compiled_catalog_is_up_to_date(language):
    source = read(CATALOGS[language])

    assert compiled(CATALOGS[language].with_suffix(".mo").read_bytes()) == {
        entry.message.key: "\0".join(entry.forms) for entry in source
    }


def test_catalogs_name_no_places_in_the_source(language):
    assert not re.search("^#:", CATALOGS[language].read_text("utf-8"), re.M)


def test_the_admin_speaks_the_language(language):
    request = RequestFactory().get("/admin/django_q/")
    request.user = User(username="admin", is_staff=True, is_superuser=True)

    page = admin.site.app_index(request, "django_q").render().content.decode()

    assert SCHEDULED[language] in page


def test_a_terminal_can_print_every_message_of_its_screens(entries):
    # A no-break space, for one, would become a question mark.
    on_screen = marked(PACKAGE / "terminal") | {Message(state) for state in STATES}

    for message, forms in entries:
        assert message not in on_screen or all(form.isprintable() for form in forms), forms


def cut_off(table: Iterable[Row]) -> list[str]:
    """Name the cells that have no room on a terminal of 80 columns."""
    return [text for row in table for text, _style in fit_row(row, 80) if CELL_CUT_MARK in text]


def test_the_titles_of_clusters_fit_80_columns(language):
    queue = header(wide=True)[-2]

    assert cut_off([header(), [queue] * 8]) == []


def test_the_states_of_clusters_fit_80_columns(language):
    assert cut_off([[Cell(str(state))] * 8 for state in STATES.values()]) == []


def test_the_states_of_clusters_differ(language):
    assert len(set(map(str, STATES.values()))) == len(STATES)


def test_the_titles_of_memory_fit_80_columns(language):
    stat = Stat(1, workers=list(range(12)))

    assert cut_off(MemoryScreen(None).head(80)) == []
    assert cut_off(worker_rows(stat, lambda pid: 1.0)) == []


def test_the_figures_below_the_clusters_fit_80_columns(language):
    many = MAX_COUNTED_ROWS + 1
    figures = Figures("ORM default", 9999, delayed=many, successes=many, failures=many)

    assert cut_off(summary_rows(figures)) == []


@pytest.mark.parametrize("unit", range(len(RATE_UNITS) + 1))
def test_the_labels_of_qinfo_fit_80_columns(language, unit):
    numbers = dict.fromkeys(("queued", "locked", "dead", "successes", "failures", "schedules"), 0)
    day = {"tasks": (86400, 1440, 24, 1)[unit], "average_seconds": 1.5}
    facts = {**numbers, "name": "q", "version": "1", "broker": "ORM default", "clusters": []}
    queue = {"name": "an-urgent-queue", "waiting": 10**9, "delayed": 10**9, "leased": 10**6}
    queue |= {"paused": True, "paused_clusters": [], "limit": 10**6, "oldest_seconds": 10**7}
    facts["queues"] = [{**queue, "served": False}]
    run = {"seconds": 10**5, "done": 10**9, "total": 10**9, "func": "f", "name": "n", "ends": []}
    facts["running"] = [
        {**run, "note": "", "ended_count": 2, "retries": retries, "cancelled": ""}
        for retries in (None, 10)
    ]

    assert cut_off(rows({**facts, "last_24_hours": day})) == []


@pytest.mark.parametrize("view", VIEWS)
def test_the_views_of_the_monitor_and_how_to_quit_fit_60_columns(language, view):
    tabs = tabs_row(State(view), 60)
    keys = fit_row(keys_row(State(view), 60), 60)

    assert [cell.text[:3] for cell in tabs[:4]] == [f" {number} " for number in range(1, 5)]
    assert "  q " in keys[0][0]


def test_the_hint_how_to_quit_fits_80_columns(language):
    assert cut_off([[Cell(str(PlainTerminal.quit_hint))]]) == []
