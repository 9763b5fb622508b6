"""Wagtail keeps its indexes in tasks, which it makes with the package for earlier Djangos."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from modelsearch.backends import get_search_backend
from tasks_monitor.models import TaskRecord
from wagtail.images.models import Image
from wagtail.models import Page, ReferenceIndex
from wagtail.tasks import update_reference_index_task

from tests.clients.applications.check_work import image_file
from tests.clients.applications.shop.models import Article, ArticlePage


@pytest.fixture
def image() -> Image:
    """Make an image."""
    return Image.objects.create(title="tea", file=image_file("tea.png"))


def test_the_reference_index_tells_where_an_image_is_shown(image, wait_until):
    home = Page.get_first_root_node().get_first_child()

    page = home.add_child(instance=ArticlePage(title="Teas", slug=f"teas-{image.pk}", image=image))

    def pages() -> list[Any]:
        found = ReferenceIndex.get_references_to(image)
        return [each.object_id for each in found]

    wait_until(lambda: str(page.pk) in pages())


def test_the_search_index_has_what_is_saved(wait_until):
    article = Article.objects.create(name="Oolong")

    search = get_search_backend().search

    wait_until(lambda: list(search("Oolong", Article)) == [article])


def test_a_file_is_deleted_with_its_image(image, wait_until):
    storage, name = image.file.storage, image.file.name

    image.delete()

    wait_until(lambda: not storage.exists(name))


def test_what_fails_is_recorded(run):
    result = run(update_reference_index_task, "shop", "article", "0")

    assert result.status == "FAILED"
    path = f"{Article.__module__}.Article.DoesNotExist"
    assert result.errors[0].exception_class_path == path
    assert TaskRecord.objects.get(result_id=result.id).status == "FAILED"


def test_all_of_its_indexes_can_be_made_again():
    call_command("rebuild_references_index", verbosity=0)
