"""No change: see the package."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("django_q", "0001_initial")]
