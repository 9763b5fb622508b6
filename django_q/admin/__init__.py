"""The Django admin of tasks, schedules and the ORM broker's queue."""

from django.contrib import admin

from django_q.admin.actions import resubmit_task, retry_failed
from django_q.admin.queue import QueueAdmin
from django_q.admin.schedules import ScheduleAdmin
from django_q.admin.tasks import FailAdmin, TaskAdmin
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success

__all__ = [
    "FailAdmin",
    "QueueAdmin",
    "ScheduleAdmin",
    "TaskAdmin",
    "resubmit_task",
    "retry_failed",
]

admin.site.register(Schedule, ScheduleAdmin)
admin.site.register(Success, TaskAdmin)
admin.site.register(Failure, FailAdmin)

if Conf.ORM or Conf.TESTING:
    admin.site.register(OrmQ, QueueAdmin)
