"""Nothing looks tasks up by the index of successes, and each saved one paid for it."""

from django.db import migrations

from django_q.migrations._indexes import RemoveIndex


class Migration(migrations.Migration):
    # So that PostgreSQL can drop it while the table is in use.
    atomic = False

    dependencies = [("django_q", "0022_notify")]

    operations = [RemoveIndex("task", "success_index")]
