"""System checks of ``Q_CLUSTER``.

======  ==========================================================================
E001    ``Q_CLUSTER``, or an entry of ``ALT_CLUSTERS``, is not a dictionary
E002    an option has a value of the wrong type
E003    a number is out of range
E004    an option takes one of a few values, and this is none of them
E005    a database, cache, broker class, error reporter or time zone that is named is not there
E006    an option of a broker of the predecessors that does not exist here
E007    ``redis`` does not describe a server
E008    ``SECRET_KEY`` is empty: no task can be signed
E009    a rule or a target of ``alerts`` is not what it must be
I001    there is no ``Q_CLUSTER``: a Redis server on this host is meant
W001    an unknown option
W002    ``retry`` is not greater than ``timeout``
W003    failed tasks are tried again without end
W004    results go to a cache that other processes do not see
W005    SQLite serves as the broker, without the options that it needs for that
W006    an option has no effect
W007    an option needs a package that is not installed
W008    tasks run at once in a deployment (``check --deploy``)
W009    a name has a colon, or a character that is not printable
W010    another installed distribution has files of the package django_q
W011    an entry of ``functions`` names nothing that exists
W012    the URL of ``redis`` has something else than a number for a database
W013    an entry of ``context`` is no context variable
W014    the database of ``outbox`` has no table for it (``check --database``, ``migrate``)
W015    ``alerts`` sends mail to ``ADMINS``, which is empty
======  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from django_q.checks.combinations import COMBINATION_CHECKS, check_name
from django_q.checks.messages import Messages, no_effect, not_a_dictionary
from django_q.checks.options import (
    OPTION_TYPES,
    examine_value,
    has_type,
    unknown_option,
    wrong_type,
)
from django_q.checks.redaction import setting_location
from django_q.conf import Conf, Settings, attribute_name
from django_q.foreign_code import installed_files
from django_q.models import OutboxTask


@register()
def check_q_cluster(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Check ``Q_CLUSTER``: the settings of all clusters."""
    return [*check_prerequisites(), *examine(getattr(settings, "Q_CLUSTER", {}))]


def check_prerequisites() -> Messages:
    """Check what is outside of ``Q_CLUSTER``: that there is one, and a key to sign tasks with."""
    if not hasattr(settings, "Q_CLUSTER"):
        text = "There is no Q_CLUSTER in the settings: Redis at localhost:6379 is the broker."
        hint = "Set Q_CLUSTER = {'redis': 'redis://...'}, or {'orm': 'default'} for a database."
        yield Info(text, hint=hint, id="django_q.I001")
    if not has_secret_key():
        text = "SECRET_KEY is empty, and each task is signed with it: none can be enqueued or run."
        yield Error(text, hint="Set the same key for all processes.", id="django_q.E008")


def has_secret_key() -> bool:
    """Return True if there is a key; Django raises an error for an empty one."""
    try:
        return bool(settings.SECRET_KEY)
    except ImproperlyConfigured:
        return False


@register(deploy=True)
def check_deployment(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of ``sync``, which is fine in development, but not in a deployment."""
    options = getattr(settings, "Q_CLUSTER", None)
    if not isinstance(options, Mapping) or options.get("sync") is not True:
        return []
    text = "Q_CLUSTER['sync'] is True: each task runs at once, in the process that calls it."
    return [Warning(text, hint="Leave it out where a cluster runs.", id="django_q.W008")]


@register(Tags.database)
def check_outbox_table(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of an outbox without its table; no error, as ``migrate`` checks before it makes it."""
    alias = Conf.OUTBOX
    if not alias or alias not in (databases or ()):
        return []
    table = OutboxTask._meta.db_table
    if table in connections[alias].introspection.table_names():
        return []
    text = f"Q_CLUSTER['outbox']: the database {alias!r} has no table {table}."
    hint = "Run manage.py migrate, with --database for any but the default one."
    return [Warning(text, hint=hint, id="django_q.W014")]


@register()
def check_distributions(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of another distribution of ``django_q``: the files of one overwrite the other's."""
    if not (others := installed_files.conflicting_distributions()):
        return []
    text = f"{' and '.join(others)} is installed beside django-q: both are the package django_q."
    hint = installed_files.REINSTALL_ADVICE.format(others=" and ".join(others))
    return [Warning(text, hint=hint, id="django_q.W010")]


def examine(options: Any) -> Messages:
    """Check a complete ``Q_CLUSTER`` setting, of any type."""
    if options is None:
        return
    if not isinstance(options, Mapping):
        yield not_a_dictionary("Q_CLUSTER", options)
        return
    yield from examine_cluster(options, "Q_CLUSTER")
    clusters = options.get("ALT_CLUSTERS")
    for name, own in clusters.items() if isinstance(clusters, Mapping) else ():
        where = setting_location("Q_CLUSTER['ALT_CLUSTERS']", name)
        yield from check_name(where, str(name))
        if isinstance(own, Mapping):
            yield from examine_alternative(options, own, where)
        else:
            yield not_a_dictionary(where, own)


def examine_alternative(options: Mapping, own: Mapping, where: str) -> Messages:
    """Check an entry of ``ALT_CLUSTERS``, alone and together with the common settings."""
    for key in ("name", "cluster_name"):
        if key in own:
            yield no_effect(f"{where}[{key!r}]", "the name of the entry is the name of the cluster")
    common = {message.msg for message in examine_cluster(options, where)}
    for message in examine_cluster({**options, **own}, where):
        # Errors of the common settings are reported there.
        if message.msg not in common:
            yield message


def examine_cluster(options: Mapping, where: str) -> Messages:
    """Check the settings of one cluster: each option by itself, then all together."""
    for key in options:
        if attribute_name(key) not in OPTION_TYPES:
            yield unknown_option(key, where, options)
    given = {
        attribute_name(key): value
        for key, value in options.items()
        if attribute_name(key) in OPTION_TYPES
    }
    fitting = {name: value for name, value in given.items() if has_type(value, OPTION_TYPES[name])}
    for name in [name for name in given if name not in fitting]:
        yield wrong_type(name, given[name], where)
    for name, value in fitting.items():
        yield from examine_value(name, value, where)
    together = vars(Settings()) | fitting
    for check in COMBINATION_CHECKS:
        yield from check(together, fitting, where)
