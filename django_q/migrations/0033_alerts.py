"""The table of alerts, and permissions of the dashboard."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0032_task_logs")]

    operations = [
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("key", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("project", models.CharField(db_index=True, max_length=100)),
                ("rule", models.CharField(max_length=32)),
                ("subject", models.CharField(max_length=100)),
                ("text", models.CharField(max_length=500)),
                ("value", models.FloatField(null=True)),
                ("since", models.DateTimeField()),
                ("raised_at", models.DateTimeField(null=True)),
                ("resolved_at", models.DateTimeField(null=True)),
                ("untold", models.JSONField(null=True)),
                ("due", models.DateTimeField(null=True)),
                ("attempts", models.IntegerField(default=0, db_default=0)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AlterModelOptions(
            name="unfinished",
            options={
                "default_permissions": (),
                "permissions": [
                    ("cancel_tasks", "Can cancel unfinished tasks"),
                    ("pause_queue", "Can pause and resume queues"),
                    ("limit_queue", "Can set the limit of queues"),
                    ("stop_clusters", "Can stop clusters"),
                ],
                "verbose_name": "unfinished task",
                "verbose_name_plural": "unfinished tasks",
            },
        ),
    ]
