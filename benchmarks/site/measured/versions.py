"""``python -m measured.versions``: say what is installed, as JSON."""

import json
import platform
from importlib import metadata

import django_q

NAMES = ("Django", "redis", "hiredis", "psycopg", "django-picklefield")


def version(name: str) -> str:
    """Find the version of a distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


def queue() -> str:
    """Name the distribution that django_q is from, with its version."""
    names = metadata.packages_distributions().get("django_q", ["django_q"])
    return f"{names[0]} {'.'.join(map(str, django_q.VERSION))}"


if __name__ == "__main__":
    versions = {name: version(name) for name in NAMES}
    print(json.dumps({"queue": queue(), "Python": platform.python_version(), **versions}))
