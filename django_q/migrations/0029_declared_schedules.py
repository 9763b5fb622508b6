"""Columns for jitter and for schedules that the source declares, and the table of what it declares.

The columns are nullable, without a default: no table is rewritten, and a process of django-q2 may
go on writing to it.
"""

from django.core.validators import MaxValueValidator
from django.db import migrations, models

from django_q.migrations._columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [("django_q", "0028_outbox")]

    operations = [
        AddColumn(
            "schedule",
            "jitter",
            models.PositiveIntegerField(
                "jitter",
                null=True,
                blank=True,
                validators=[MaxValueValidator(86400)],
                help_text="Seconds by which each run is put off at most, by chance.",
            ),
        ),
        AddColumn(
            "schedule",
            "source",
            models.CharField(max_length=256, null=True, editable=False),
        ),
        AddColumn(
            "schedule",
            "pause_reason",
            models.CharField(max_length=16, null=True, editable=False),
        ),
        migrations.CreateModel(
            name="ScheduleSource",
            fields=[
                (
                    "project",
                    models.CharField(max_length=100, primary_key=True, serialize=False),
                ),
                ("release", models.CharField(max_length=100, null=True)),
                ("fingerprint", models.CharField(max_length=64, null=True)),
                ("is_complete", models.BooleanField(default=False)),
                ("superseded", models.TextField(default="[]")),
                ("records", models.TextField(default="{}")),
                ("version", models.BigIntegerField(default=0)),
            ],
            options={
                "default_permissions": (),
            },
        ),
    ]
