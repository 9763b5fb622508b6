"""The table of the outbox."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0027_orders_and_reruns")]

    operations = [
        migrations.CreateModel(
            name="OutboxTask",
            fields=[
                ("key", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("list_key", models.CharField(max_length=255)),
                ("task_id", models.CharField(db_index=True, max_length=32)),
                ("payload", models.TextField()),
                ("terms", models.TextField(null=True)),
                ("created", models.DateTimeField()),
                ("due", models.DateTimeField(db_index=True)),
                ("claim", models.CharField(max_length=32, null=True)),
                ("attempts", models.IntegerField(default=0, db_default=0)),
            ],
            options={"default_permissions": ()},
        ),
    ]
