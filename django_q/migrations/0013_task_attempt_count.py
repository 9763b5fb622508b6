"""Attempts of tasks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0012_auto_20200702_1608")]
    operations = [
        migrations.AddField(
            "task",
            "attempt_count",
            models.IntegerField("attempts", default=0),
        ),
    ]
