"""Columns for what is kept of an unfinished task, and tables for orders about queues.

The columns are nullable, without a default: no table is rewritten, and a process of django-q2 may
go on writing to it.
"""

from django.db import migrations, models

from django_q.migrations._columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [("django_q", "0025_terms_indexes")]

    operations = [
        AddColumn("ormq", "position", models.TextField(null=True, editable=False)),
        AddColumn("ormq", "cancelled", models.TextField(null=True, editable=False)),
        migrations.CreateModel(
            name="QueueOrder",
            fields=[
                (
                    "name",
                    models.CharField("name", max_length=120, primary_key=True, serialize=False),
                ),
                ("is_active", models.BooleanField("is active", default=False)),
                ("is_paused", models.BooleanField("is paused", default=False)),
                ("paused_clusters", models.TextField("paused clusters", default="[]")),
                ("limit", models.IntegerField("limit", null=True)),
                ("version", models.BigIntegerField("version", default=0)),
            ],
            options={
                "verbose_name": "order of a queue",
                "verbose_name_plural": "orders of queues",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "digest",
                    models.CharField("digest", max_length=32, primary_key=True, serialize=False),
                ),
                ("queue", models.CharField("queue", max_length=100, db_index=True)),
                ("key", models.TextField("key")),
                ("text", models.TextField("text")),
                ("posted", models.DateTimeField("posted")),
                ("expires", models.DateTimeField("expires", db_index=True)),
            ],
            options={
                "verbose_name": "notice",
                "verbose_name_plural": "notices",
                "default_permissions": (),
            },
        ),
    ]
