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
                ("at", models.BigIntegerField(db_index=True, verbose_name="at")),
                ("span", models.IntegerField(verbose_name="span")),
                ("counts", models.TextField(verbose_name="counts")),
            ],
            options={
                "verbose_name": "rollup",
                "verbose_name_plural": "rollups",
                "default_permissions": (),
            },
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
                ("at", models.BigIntegerField(db_index=True, verbose_name="at")),
                ("text", models.CharField(max_length=100, verbose_name="text")),
            ],
            options={
                "verbose_name": "mark of a deploy",
                "verbose_name_plural": "marks of deploys",
                "default_permissions": (),
            },
        ),
    ]
