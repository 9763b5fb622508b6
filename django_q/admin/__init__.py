"""The Django admin of tasks, schedules and queues."""

from django.contrib import admin

from django_q.admin.actions import resubmit_task, retry_failed
from django_q.admin.dashboard import DashboardAdmin
from django_q.admin.queue import QueueAdmin
from django_q.admin.schedules import ScheduleAdmin
from django_q.admin.tasks import FailAdmin, TaskAdmin
from django_q.admin.unfinished import UnfinishedAdmin
from django_q.conf import Conf
from django_q.models import Dashboard, Failure, OrmQ, Schedule, Success, Unfinished

__all__ = [
    "DashboardAdmin",
    "FailAdmin",
    "QueueAdmin",
    "ScheduleAdmin",
    "TaskAdmin",
    "UnfinishedAdmin",
    "resubmit_task",
    "retry_failed",
]

admin.site.register(Dashboard, DashboardAdmin)
admin.site.register(Schedule, ScheduleAdmin)
admin.site.register(Success, TaskAdmin)
admin.site.register(Failure, FailAdmin)
admin.site.register(Unfinished, UnfinishedAdmin)

if Conf.ORM or Conf.TESTING:
    admin.site.register(OrmQ, QueueAdmin)
