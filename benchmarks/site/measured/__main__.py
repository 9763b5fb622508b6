"""``python -m measured VERB JSON``: do one thing, and print what came of it as JSON."""

import json
import os
import sys
from importlib import import_module

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "measured.settings"
django.setup()
# Behind setup(): it imports models.
verb = import_module("measured.verbs").VERBS[sys.argv[1]]
print(json.dumps(verb(**json.loads(sys.argv[2]))))
