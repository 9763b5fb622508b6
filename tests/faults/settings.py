"""Settings of the clusters that the driver breaks: those of the tests, with a database apart."""

import json
import os

from tests.settings import *  # noqa: F403 - the others are as they are

DATABASES = {"default": json.loads(os.environ["DJANGO_Q_FAULT_DATABASE"])}
