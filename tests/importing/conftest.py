"""These tests have settings, and environments, of their own: see tox.ini."""

import os

SETTINGS = "tests.importing.settings"
collect_ignore_glob = [] if os.environ.get("DJANGO_SETTINGS_MODULE") == SETTINGS else ["test_*.py"]
