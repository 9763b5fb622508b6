"""Runs of the command ``qimport``."""

from io import StringIO

from django.core.management import call_command


def qimport(*arguments: str) -> str:
    """Run the command, and return all that it prints."""
    output = StringIO()
    call_command("qimport", *arguments, stdout=output, stderr=output)
    return output.getvalue()
