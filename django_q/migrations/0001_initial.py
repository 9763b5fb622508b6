"""Tasks and schedules, as Django Q 0.3.5 had them."""

import django.utils.timezone
import picklefield.fields
from django.db import migrations, models

from django_q.models.schedule_fields import validators


def pickled(verbose_name):
    """Make a field for any picklable value."""
    return picklefield.fields.PickledObjectField(
        verbose_name, null=True, editable=False, protocol=-1
    )


def proxy(name, verbose_name):
    """Make a proxy of Task."""
    return migrations.CreateModel(
        name=name,
        fields=[],
        options={
            "verbose_name": verbose_name,
            "verbose_name_plural": f"{verbose_name}s",
            "ordering": ["-stopped"],
            "proxy": True,
            "indexes": [],
            "constraints": [],
        },
        bases=("django_q.task",),
    )


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    models.AutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "func",
                    models.CharField(
                        "function",
                        max_length=256,
                        help_text="Dotted path, such as shop.tasks.send_mails.",
                    ),
                ),
                (
                    "hook",
                    models.CharField(
                        "hook",
                        max_length=256,
                        null=True,
                        blank=True,
                        help_text="Dotted path of a function that is called with the "
                        "finished task.",
                    ),
                ),
                (
                    "args",
                    models.TextField(
                        "arguments",
                        null=True,
                        blank=True,
                        validators=[validators.validate_args],
                        help_text="Python literals, such as: 1, 'two', [3, 4]",
                    ),
                ),
                (
                    "kwargs",
                    models.TextField(
                        "keyword arguments",
                        null=True,
                        blank=True,
                        validators=[validators.validate_kwargs],
                        help_text="Python literals, such as: x=1, y='two'",
                    ),
                ),
                ("schedule_type", models.CharField("type", max_length=1, default="O")),
                (
                    "repeats",
                    models.SmallIntegerField(
                        "repeats", default=-1, help_text="Runs that are left; -1 for ever, 0 none."
                    ),
                ),
                (
                    "next_run",
                    models.DateTimeField("next run", default=django.utils.timezone.now, null=True),
                ),
                (
                    "task",
                    models.CharField("last task", max_length=100, null=True, editable=False),
                ),
            ],
            options={
                "verbose_name": "scheduled task",
                "verbose_name_plural": "scheduled tasks",
                "ordering": ["next_run"],
            },
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=32, primary_key=True, editable=False, serialize=False
                    ),
                ),
                ("name", models.CharField("name", max_length=100, editable=False)),
                ("func", models.CharField("function", max_length=256)),
                ("hook", models.CharField("hook", max_length=256, null=True)),
                ("args", pickled("arguments")),
                ("kwargs", pickled("keyword arguments")),
                ("result", pickled("result")),
                ("started", models.DateTimeField("started", editable=False)),
                ("stopped", models.DateTimeField("stopped", editable=False)),
                ("success", models.BooleanField("success", default=True, editable=False)),
            ],
            options={
                "verbose_name": "task",
                "verbose_name_plural": "tasks",
                "ordering": ["-stopped"],
            },
        ),
        proxy("Failure", "failed task"),
        proxy("Success", "successful task"),
    ]
