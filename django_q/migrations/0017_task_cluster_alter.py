"""The queue that a task ran on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0016_schedule_intended_date_kwarg")]
    operations = [
        migrations.AddField(
            "task",
            "cluster",
            models.CharField("cluster", max_length=100, null=True, blank=True, default=None),
        ),
    ]
