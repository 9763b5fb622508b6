"""Functions that RQ calls."""


def clean_up(days=30):
    """Count the days."""
    return days
