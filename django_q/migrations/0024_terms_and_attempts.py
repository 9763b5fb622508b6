"""Columns for the options of unfinished tasks, and for what a row tells of a finished one.

Each is nullable, with a constant default in the database or none: no table is rewritten, and a
process of django-q2 may go on writing to these tables.
"""

from django.db import migrations, models

from django_q.migrations._columns import AddColumn


def add(model, **fields):
    """Add fields to a model."""
    return [AddColumn(model, name, field) for name, field in fields.items()]


class Migration(migrations.Migration):
    dependencies = [("django_q", "0023_remove_success_index")]

    operations = [
        migrations.CreateModel(
            name="TaskKey",
            fields=[
                ("digest", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("task_id", models.CharField(max_length=32)),
                ("expires", models.DateTimeField(db_index=True)),
            ],
        ),
        # A name for a page of the admin, without a table and permissions of its own.
        migrations.CreateModel(
            name="Unfinished",
            fields=[],
            options={
                "verbose_name": "unfinished task",
                "verbose_name_plural": "unfinished tasks",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("django_q.ormq",),
        ),
        *add(
            "ormq",
            tracked_id=models.CharField(
                max_length=32, null=True, editable=False, db_column="task_id"
            ),
            rank=models.SmallIntegerField(null=True, db_default=0, editable=False),
            expires=models.DateTimeField(null=True, editable=False),
            unique_digest=models.CharField(max_length=32, null=True, editable=False),
            unique_for=models.FloatField(null=True, editable=False),
            attempt_state=models.TextField(null=True, editable=False, db_column="state"),
            lane=models.CharField(max_length=100, null=True, editable=False),
        ),
        *add(
            "task",
            options=models.JSONField("options", null=True, editable=False),
            begun=models.DateTimeField("begun", null=True, editable=False),
            worker=models.CharField("worker", max_length=100, null=True, editable=False),
            exception=models.CharField("exception", max_length=200, null=True, editable=False),
            fingerprint=models.CharField("fingerprint", max_length=32, null=True, editable=False),
            attempts=models.JSONField("attempts", null=True, editable=False),
            keep_until=models.DateTimeField("kept until", null=True, editable=False),
            rerun_at=models.DateTimeField("run again", null=True, editable=False),
        ),
    ]
