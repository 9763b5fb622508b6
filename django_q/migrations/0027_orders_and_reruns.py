"""Permissions to give orders to queues, and the index of tasks that are run again."""

from django.db import migrations, models

from django_q.migrations._indexes import AddIndex


class Migration(migrations.Migration):
    # So that PostgreSQL can make the index while the table is in use.
    atomic = False

    dependencies = [("django_q", "0026_kept_states_and_orders")]

    operations = [
        migrations.AlterModelOptions(
            name="unfinished",
            options={
                "default_permissions": (),
                "permissions": [
                    ("cancel_tasks", "Can cancel unfinished tasks"),
                    ("pause_queue", "Can pause and resume queues"),
                    ("limit_queue", "Can set the limit of queues"),
                ],
                "verbose_name": "unfinished task",
                "verbose_name_plural": "unfinished tasks",
            },
        ),
        AddIndex(
            "task",
            models.Index(
                fields=["rerun_at"],
                name="django_q_task_rerun",
                condition=models.Q(rerun_at__isnull=False),
            ),
        ),
    ]
