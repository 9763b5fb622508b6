"""Indexes for the queue, the scheduler and the lists of the admin."""

from django.db import migrations, models

from django_q.migrations._indexes import AddIndex


class Migration(migrations.Migration):
    # So that PostgreSQL can make them while the tables are in use.
    atomic = False

    dependencies = [("django_q", "0020_scheduler_and_orm_broker")]

    operations = [
        AddIndex("ormq", models.Index(fields=["key", "lock"], name="django_q_ormq_key_lock")),
        AddIndex("schedule", models.Index(fields=["next_run"], name="django_q_schedule_next_run")),
        AddIndex("task", models.Index(fields=["success", "stopped"], name="django_q_task_stopped")),
        AddIndex("task", models.Index(fields=["group", "stopped"], name="django_q_task_group")),
    ]
