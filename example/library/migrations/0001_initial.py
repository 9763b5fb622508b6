from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Report",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=255, unique=True)),
                ("lines", models.PositiveIntegerField()),
                ("words", models.PositiveIntegerField()),
                ("distinct", models.PositiveIntegerField()),
                ("favourite", models.CharField(max_length=100)),
                ("times", models.PositiveIntegerField()),
                ("counted", models.DateTimeField(auto_now=True)),
            ],
            options={"ordering": ("-words",)},
        ),
    ]
