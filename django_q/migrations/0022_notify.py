"""Who waits for tasks on PostgreSQL hears of those that any producer enqueues."""

from django.db import migrations

from django_q.migrations import _notify


class Migration(migrations.Migration):
    dependencies = [("django_q", "0021_indexes")]

    operations = [migrations.RunPython(_notify.create, _notify.drop)]
