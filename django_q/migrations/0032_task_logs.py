"""The table of the logs of tasks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0031_rollups")]

    operations = [
        migrations.CreateModel(
            name="TaskLog",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("task_id", models.CharField(db_index=True, max_length=32)),
                ("attempt", models.IntegerField()),
                ("queue", models.CharField(max_length=255)),
                ("worker", models.CharField(max_length=255)),
                ("begun", models.DateTimeField()),
                ("saved", models.DateTimeField(db_index=True)),
                ("text", models.TextField()),
                ("length", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "permissions": [("show_stack", "Can see the stacks of running tasks")],
            },
        ),
    ]
