"""An index of the tasks that succeeded."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0017_task_cluster_alter")]
    operations = [
        migrations.AddIndex(
            "task",
            models.Index(
                fields=["group", "name", "func"],
                name="success_index",
                condition=models.Q(success=True),
            ),
        ),
    ]
