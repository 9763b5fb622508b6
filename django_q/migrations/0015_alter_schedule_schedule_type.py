"""Types of two letters."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0014_schedule_cluster")]
    operations = [
        migrations.AlterField(
            "schedule",
            "schedule_type",
            models.CharField(
                "type",
                max_length=2,
                choices=[
                    ("O", "Once"),
                    ("I", "Minutes"),
                    ("H", "Hourly"),
                    ("D", "Daily"),
                    ("W", "Weekly"),
                    ("BW", "Biweekly"),
                    ("M", "Monthly"),
                    ("BM", "Bimonthly"),
                    ("Q", "Quarterly"),
                    ("Y", "Yearly"),
                    ("C", "Cron"),
                ],
                default="O",
            ),
        ),
    ]
