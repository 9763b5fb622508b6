"""Repeats beyond 32,767."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0008_auto_20160224_1026")]
    operations = [
        migrations.AlterField(
            "schedule",
            "repeats",
            models.IntegerField(
                "repeats", default=-1, help_text="Runs that are left; -1 for ever, 0 none."
            ),
        ),
    ]
