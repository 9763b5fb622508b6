"""Tasks of Celery and huey."""

from celery import shared_task
from huey import crontab
from huey.contrib.djhuey import db_periodic_task


@shared_task(name="sales.report")
def report(year, copies=1):
    """A task of Celery with another name than its path."""
    return f"{copies} of {year}"


@db_periodic_task(crontab(minute="*/15", hour="9-17", day_of_week="1-5"))
def poll():
    """A periodic task of huey."""


@db_periodic_task(lambda moment: moment.year % 2 == 0 and moment.hour == moment.day % 24)
def odd():
    """A periodic task that no expression can say."""
