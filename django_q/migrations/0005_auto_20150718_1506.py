"""Names of schedules, groups of tasks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0004_auto_20150710_1043")]
    operations = [
        migrations.AddField(
            "schedule",
            "name",
            models.CharField(
                "name",
                max_length=100,
                null=True,
                blank=True,
                help_text="Also the group of its tasks, unless its keyword arguments name one.",
            ),
        ),
        migrations.AddField(
            "task",
            "group",
            models.CharField("group", max_length=100, null=True, editable=False),
        ),
    ]
