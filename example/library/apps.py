"""The app of the library."""

from django.apps import AppConfig


class LibraryConfig(AppConfig):
    """A few tasks, and what came of them."""

    name = "library"
