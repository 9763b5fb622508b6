"""Settings of the clusters that the driver breaks: those of the tests, with a database apart."""

import json
import os

from tests.settings import *  # noqa: F403 - the others are as they are

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.receivers.Receivers"]  # noqa: F405
DATABASES = {"default": json.loads(os.environ["DJANGO_Q_FAULT_DATABASE"])}
