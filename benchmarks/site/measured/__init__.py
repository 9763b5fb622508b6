"""What runs in the processes under measurement: a small Django project, by the public API alone.

The folder above is on the path of every side, so another interpreter runs the very same code. What
varies comes in as JSON in the environment.
"""

import json
import os

#: Environment variable with the ``SETUP`` below.
VARIABLE = "DJANGO_Q_BENCHMARK"

#: database (settings), cluster (options of Q_CLUSTER), records (path of the file tasks append to)
SETUP = json.loads(os.environ.get(VARIABLE, "{}"))
