"""What the shop sells."""

from __future__ import annotations

from django.db import models
from modelsearch import index
from pictures.models import PictureField
from wagtail.images.models import Image
from wagtail.models import Page


class Photo(models.Model):
    """A photo in several sizes."""

    picture = PictureField(upload_to="photos", aspect_ratios=["1/1"])


class ArticlePage(Page):
    """A page that shows an image."""

    image = models.ForeignKey(Image, models.PROTECT)


class Article(index.Indexed, models.Model):
    """An article that can be searched for."""

    name = models.CharField(max_length=50)
    is_filled = models.BooleanField(default=False)

    search_fields = [index.SearchField("name")]
