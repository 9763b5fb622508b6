"""What the scheduler, the ORM broker and iterables of this project keep in the tables.

Each new column is nullable or has a default in the database: a process of django-q2 may go on
writing to these tables.
"""

from django.db import migrations, models

from django_q.models.schedule_fields import validators


def add(model, **fields):
    """Add fields to a model."""
    return [migrations.AddField(model, name, field) for name, field in fields.items()]


class Migration(migrations.Migration):
    dependencies = [("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more")]

    operations = [
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "key",
                    models.CharField(max_length=200, primary_key=True, serialize=False),
                ),
                ("value", models.TextField()),
                ("expires", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Part",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("iterable", models.CharField(max_length=100)),
                ("task", models.CharField(max_length=32)),
                ("position", models.IntegerField(null=True)),
                ("success", models.BooleanField()),
                ("args", models.BinaryField()),
                ("result", models.BinaryField()),
                ("started", models.DateTimeField()),
                ("stopped", models.DateTimeField()),
                ("claim", models.CharField(max_length=64, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["iterable", "task"], name="django_q_part_once")
                ],
            },
        ),
        *add(
            "ormq",
            delivery=models.IntegerField("delivery", default=0, db_default=0, editable=False),
            attempts=models.IntegerField("attempts", default=0, db_default=0, editable=False),
        ),
        *add(
            "schedule",
            time_zone=models.CharField(
                "time zone",
                max_length=64,
                null=True,
                blank=True,
                validators=[validators.validate_time_zone],
                help_text="Whose clock it goes by, such as Europe/Amsterdam; "
                "empty for the project's.",
            ),
            catch_up=models.CharField(
                "missed runs",
                max_length=8,
                null=True,
                blank=True,
                choices=[("all", "Run all"), ("latest", "Run the latest"), ("none", "Run none")],
                help_text="What to do about runs that were due while no cluster was running.",
            ),
            overlap=models.CharField(
                "overlap",
                max_length=8,
                choices=[("allow", "Run anyway"), ("skip", "Skip the new run")],
                default="allow",
                db_default="allow",
                help_text="What to do when a run is due while the one before has not ended.",
            ),
            paused=models.BooleanField("paused", default=False, db_default=False),
            error=models.TextField("error", null=True, blank=True, editable=False),
            anchor=models.DateTimeField(null=True, editable=False),
            claimed=models.DateTimeField(null=True, editable=False),
            ended=models.CharField(max_length=32, null=True, editable=False),
        ),
    ]
