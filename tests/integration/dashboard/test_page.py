"""What all pages of the dashboard share: who may see them, where they are, answers to polling."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from tests.integration.admin.pages import text
from tests.integration.dashboard.visits import ALONE, IN_ADMIN, log_in, page_url

pytestmark = pytest.mark.django_db

PAGES = ("overview", "queues", "clusters", "schedules")
PLACES = pytest.mark.parametrize("place", [IN_ADMIN, ALONE])


@pytest.fixture(autouse=True)
def _queue(make_broker):
    make_broker("memory")


def test_the_index_of_the_admin_links_to_the_dashboard(client):
    log_in(client, "view_schedule")

    page = client.get(reverse("admin:app_list", args=["django_q"])).content.decode()

    assert f'href="{page_url("overview")}"' in page
    assert page_url("overview") == "/admin/django_q/dashboard/"


def test_somebody_without_permissions_has_no_link_to_it(client):
    log_in(client, "view_user")

    page = client.get(reverse("admin:index")).content.decode()

    assert page_url("overview") not in page


@PLACES
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_shown_in_its_place(client, admin_client, place, page):
    response = admin_client.get(page_url(page, place=place))

    assert response.status_code == 200
    for section in PAGES:
        assert page_url(section, place=place) in response.content.decode()


@PLACES
def test_who_is_not_logged_in_is_sent_to_the_login_of_the_admin(client, place):
    address = page_url("overview", place=place)

    response = client.get(address)

    assert response.url == f"/admin/login/?next={address}"


@PLACES
def test_who_is_no_staff_does_not_see_it(client, place):
    client.force_login(User.objects.create_user("bob"))

    response = client.get(page_url("overview", place=place))

    assert response.status_code == (302 if place == IN_ADMIN else 403)


@PLACES
def test_the_navigation_has_what_one_may_see_and_the_rest_is_forbidden(client, place):
    log_in(client, "view_schedule")

    page = client.get(page_url("overview", place=place)).content.decode()

    assert page_url("schedules", place=place) in page
    assert page_url("queues", place=place) not in page
    assert client.get(page_url("queues", place=place)).status_code == 403


@PLACES
def test_a_page_that_has_not_changed_is_not_sent_again(admin_client, place):
    address = page_url("schedules", place=place)
    tag = admin_client.get(address)["ETag"]

    again = admin_client.get(address, headers={"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")


@PLACES
def test_an_unknown_order_changes_nothing(admin_client, place):
    response = admin_client.post(page_url("queues", place=place), {"action": "explode"})

    assert response.status_code == 302


def test_a_page_alone_says_whose_dashboard_it_is(admin_client):
    assert "Django Q" in text(admin_client.get(page_url("overview", place=ALONE)))
