"""Source written for Django Q 0.x, where ``async`` was a name and not yet reserved.

``install()``
    makes such modules importable as they are. Call it first thing in the settings module::

        from django_q import legacy

        legacy.install()

    The modules keep their meaning: ``async`` stays a name in them, also of variables,
    attributes and arguments.
``python -m django_q.legacy [--check | --diff | --write] PATH...``
    rewrites them to ``async_task`` for good; see ``--help``.
``translate(data, path)``
    does the same with the content of one file.
"""

from django_q.legacy.import_hook import install, uninstall
from django_q.legacy.translation import Translation, translate

__all__ = ["Translation", "install", "translate", "uninstall"]
