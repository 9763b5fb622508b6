"""No change: see the package."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("django_q", "0018_task_success_index")]
