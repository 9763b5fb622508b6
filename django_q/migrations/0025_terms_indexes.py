"""Indexes for the options of unfinished tasks, and for kinds of failures."""

from django.db import migrations, models

from django_q.migrations._indexes import AddIndex, AddUniqueIndex, RemoveIndex


class Migration(migrations.Migration):
    # So that PostgreSQL can make them while the tables are in use.
    atomic = False

    dependencies = [("django_q", "0024_terms_and_attempts")]

    operations = [
        AddIndex(
            "ormq", models.Index(fields=["key", "rank", "lock"], name="django_q_ormq_key_rank_lock")
        ),
        RemoveIndex("ormq", "django_q_ormq_key_lock"),
        AddIndex(
            "ormq",
            models.Index(
                fields=["tracked_id"],
                name="django_q_ormq_task_id",
                condition=models.Q(tracked_id__isnull=False),
            ),
        ),
        AddUniqueIndex(
            "ormq",
            models.UniqueConstraint(
                fields=["unique_digest"],
                name="django_q_ormq_unique",
                condition=models.Q(unique_digest__isnull=False),
            ),
        ),
        AddIndex(
            "task",
            models.Index(
                fields=["fingerprint", "stopped"],
                name="django_q_task_fingerprint",
                condition=models.Q(fingerprint__isnull=False),
            ),
        ),
        AddIndex(
            "task",
            models.Index(
                fields=["keep_until"],
                name="django_q_task_keep_until",
                condition=models.Q(keep_until__isnull=False),
            ),
        ),
    ]
