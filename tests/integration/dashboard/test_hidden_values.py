"""Arguments that are shown as dots, in the admin and on the dashboard."""

from __future__ import annotations

import pytest

from django_q.dashboard.hidden_values import (
    DOTS,
    keywords_with_dots,
    positional_with_dots,
    with_dots,
)
from django_q.dashboard.task_search.stored_text import call_text
from django_q.models import OrmQ, Success
from django_q.tasks import task
from django_q.text.representation import represent
from tests.integration.admin.pages import text, url
from tests.integration.admin.rows import make_queued, make_task
from tests.integration.dashboard.visits import page_url


def pay(card_number: str, amount: int, *rest: str) -> None:
    """Take arguments of which one is hidden in these tests."""


PAY = f"{__name__}.pay"


def test_values_of_named_keys_are_dots_at_any_depth(conf):
    conf(hide=["card_number"])
    value = {"order": [{"Card_Number": "4711", "amount": 3}], "api_token": "abc"}

    shown = with_dots(value)

    assert shown == {"order": [{"Card_Number": DOTS, "amount": 3}], "api_token": DOTS}
    assert value["api_token"] == "abc"


def test_a_positional_argument_is_hidden_by_the_name_of_its_parameter(conf):
    conf(hide=["card_number"])

    assert positional_with_dots(PAY, ("4711", 3, "more")) == (DOTS, 3, "more")


@task(secret=("pin", "codes"))
def log_in(name: str, pin: int, *codes: str, **others: str) -> None:
    """Take arguments whose names hide nothing by themselves."""


LOG_IN = f"{__name__}.log_in"


def test_secrets_of_a_task_function_are_dots_by_position_and_by_name():
    assert positional_with_dots(LOG_IN, ("ann", 4711, "x", "y")) == ("ann", DOTS, DOTS, DOTS)
    assert keywords_with_dots(LOG_IN, {"name": "ann", "pin": 4711}) == {"name": "ann", "pin": DOTS}
    assert call_text(LOG_IN, ("ann",), {"pin": 4711}) == f"'ann', pin={DOTS!r}"


@pytest.mark.django_db
def test_secrets_of_a_task_function_are_dots_on_pages(admin_client, conf):
    conf(orm="default")
    values = {"func": LOG_IN, "args": ("ann", 471100), "kwargs": {"codes": "sesame"}}
    task_id = make_task(**values).pk
    queued = make_queued(**values)

    pages = [
        url(Success, "change", task_id),
        url(OrmQ, "change", queued.pk),
        page_url("task", task_id),
        f"{page_url('tasks')}?column=args",
    ]

    for page in (admin_client.get(address).content.decode() for address in pages):
        assert "ann" in page
        assert "471100" not in page
        assert "sesame" not in page


def test_a_task_may_name_its_own_secrets():
    assert positional_with_dots(PAY, ["4711", 3], secret=("amount",)) == ["4711", DOTS]


def test_arguments_of_a_function_that_is_not_here_are_shown_as_they_are():
    assert positional_with_dots("shop.gone.pay", (1, {"password": 2})) == (1, {"password": DOTS})


def test_what_is_no_list_of_arguments_stays_as_it_is():
    assert positional_with_dots(PAY, None) is None


def test_what_is_referred_to_often_is_copied_once():
    value = {"token": "abc"}
    for _ in range(60):
        value = [value, value, [value]]

    assert "abc" not in represent(with_dots(value))


def test_a_value_that_contains_itself_ends_in_dots():
    value: list = [{"token": "abc"}]
    value.append(value)

    shown = represent(with_dots(value))

    assert shown.startswith("[{'token': ••••••}, [{'token'")
    assert "abc" not in shown


@pytest.mark.django_db
def test_pages_of_the_admin_show_dots(admin_client, conf):
    conf(hide=["card_number"], orm="default")
    # No hexadecimal digits alone, which ids have by chance.
    values = {"func": PAY, "args": ("no-4711", 3), "kwargs": {"secret": "hush"}}
    done, queued = make_task(**values), make_queued(**values)

    for address in (url(Success, "change", done.pk), url(OrmQ, "change", queued.pk)):
        shown = text(admin_client.get(address))
        assert "no-4711" not in shown
        assert "hush" not in shown
        assert "•" in shown
