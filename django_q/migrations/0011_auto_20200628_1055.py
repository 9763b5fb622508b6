"""Schedules by a cron expression."""

from django.db import migrations, models

from django_q.models.schedule_fields import validators


class Migration(migrations.Migration):
    dependencies = [("django_q", "0010_auto_20200610_0856")]
    operations = [
        migrations.AddField(
            "schedule",
            "cron",
            models.CharField(
                "cron expression",
                max_length=100,
                null=True,
                blank=True,
                validators=[validators.validate_cron],
                help_text="Minute, hour, day, month, weekday, for the type Cron: 0 9 * * 1-5",
            ),
        ),
    ]
