"""The permission to see arguments and results, for all who could see them before."""

from typing import Any

from django.apps import apps as installed_apps
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db import migrations, router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CODENAME, NAME = "see_values", "Can see arguments, results and logs of tasks"
#: Whose pages have shown them until now.
MODELS = ("task", "success", "failure", "ormq", "schedule")
CODENAMES_BEFORE = [f"{verb}_{model}" for verb in ("view", "change") for model in MODELS]
#: A project may have this app without users.
HAS_USERS = installed_apps.is_installed("django.contrib.auth")


def keep_sight(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the permission to the users and groups who could see values until now.

    In a new database nobody could: there it is made behind the migrations, as all permissions.
    """
    if not HAS_USERS:
        return
    alias, permissions = schema_editor.connection.alias, apps.get_model("auth", "Permission")
    if not router.allow_migrate_model(alias, permissions):
        return
    before = permissions.objects.using(alias).filter(
        content_type__app_label="django_q", codename__in=CODENAMES_BEFORE
    )
    if not before.exists():
        return
    kinds = apps.get_model("contenttypes", "ContentType").objects.using(alias)
    kind, _is_new = kinds.get_or_create(app_label="django_q", model="task")
    given, _is_new = permissions.objects.using(alias).get_or_create(
        content_type=kind, codename=CODENAME, defaults={"name": NAME}
    )
    for holders, field in (
        (apps.get_model("auth", "Group"), "permissions"),
        (apps.get_model(settings.AUTH_USER_MODEL), "user_permissions"),
    ):
        give(holders, field, before, given, alias)


def give(holders: Any, field: str, before: Any, given: Any, alias: str) -> None:
    """Give a permission to all who have one of others."""
    try:
        holders._meta.get_field(field)
    except FieldDoesNotExist:  # users of a project's own, without permissions of Django's
        return
    rows = holders._base_manager.using(alias).filter(**{f"{field}__in": list(before)})
    for holder in rows.distinct():
        getattr(holder, field).add(given)


class Migration(migrations.Migration):
    dependencies = [("django_q", "0033_alerts")]
    if HAS_USERS:
        dependencies += [
            ("contenttypes", "0002_remove_content_type_name"),
            ("auth", "0006_require_contenttypes_0002"),
            migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ]

    operations = [
        migrations.AlterModelOptions(
            name="task",
            options={
                "ordering": ["-stopped"],
                "permissions": [(CODENAME, NAME)],
                "verbose_name": "task",
                "verbose_name_plural": "tasks",
            },
        ),
        migrations.RunPython(keep_sight, migrations.RunPython.noop, elidable=True),
    ]
