"""The schedules of a project that has django-rq, as it starts them by ``rqcron``."""

from datetime import date

from rq.cron import register

from tests.importing.shop.jobs import clean_up

register(clean_up, queue_name="default", cron="0 3 * * *", name="each-night", args=(7,))
register(clean_up, queue_name="mail", interval=600, kwargs={"days": 2}, job_timeout=30)
register(clean_up, queue_name="default", interval=3600)
register(clean_up, queue_name="default", interval=90, name="odd")
register(clean_up, queue_name="default", interval=60, name="a-date", args=(date(2026, 1, 1),))
