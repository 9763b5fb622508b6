"""The queue of the ORM broker."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0006_auto_20150805_1817")]
    operations = [
        migrations.CreateModel(
            name="OrmQ",
            fields=[
                (
                    "id",
                    models.AutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField("queue", max_length=100)),
                ("payload", models.TextField("payload")),
                ("lock", models.DateTimeField("locked until", null=True)),
            ],
            options={
                "verbose_name": "queued task",
                "verbose_name_plural": "queued tasks",
            },
        ),
    ]
