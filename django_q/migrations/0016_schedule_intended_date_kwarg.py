"""The argument that receives the due time."""

from django.db import migrations, models

from django_q.models.schedule_fields import validators


class Migration(migrations.Migration):
    dependencies = [("django_q", "0015_alter_schedule_schedule_type")]
    operations = [
        migrations.AddField(
            "schedule",
            "intended_date_kwarg",
            models.CharField(
                "due time argument",
                max_length=100,
                null=True,
                blank=True,
                validators=[validators.validate_kwarg],
                help_text="Name of a keyword argument that receives the time the run was due.",
            ),
        ),
    ]
