"""Schedules by the minute."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0005_auto_20150718_1506")]
    operations = [
        migrations.AddField(
            "schedule",
            "minutes",
            models.PositiveSmallIntegerField(
                "minutes",
                null=True,
                blank=True,
                help_text="Minutes between two runs, for the type Minutes.",
            ),
        ),
    ]
