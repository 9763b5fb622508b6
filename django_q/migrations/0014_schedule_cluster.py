"""The cluster that runs a schedule."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0013_task_attempt_count")]
    operations = [
        migrations.AddField(
            "schedule",
            "cluster",
            models.CharField(
                "cluster",
                max_length=100,
                null=True,
                blank=True,
                help_text="Name of the cluster that runs it; empty for the default one.",
            ),
        ),
    ]
