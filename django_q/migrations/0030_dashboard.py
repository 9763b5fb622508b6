"""The entry of the dashboard in the admin, which has no rows."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("django_q", "0029_declared_schedules")]

    operations = [
        migrations.CreateModel(
            name="Dashboard",
            fields=[],
            options={
                "verbose_name": "dashboard",
                "verbose_name_plural": "dashboard",
                "proxy": True,
                "default_permissions": (),
                "permissions": [("run_functions", "Can run allowed functions as tasks")],
                "indexes": [],
                "constraints": [],
            },
            bases=("django_q.ormq",),
        ),
    ]
