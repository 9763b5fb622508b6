"""The tables of the charts."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_q", "0030_dashboard")]

    operations = [
        migrations.CreateModel(
            name="Rollup",
            fields=[
                (
                    "id",
                    models.AutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.BigIntegerField(db_index=True)),
                ("span", models.IntegerField()),
                ("counts", models.TextField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="DeployMark",
            fields=[
                (
                    "id",
                    models.AutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.BigIntegerField(db_index=True)),
                ("text", models.CharField(max_length=100)),
            ],
            options={"default_permissions": ()},
        ),
    ]
