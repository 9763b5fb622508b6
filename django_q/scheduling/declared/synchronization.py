"""Bring the table of schedules in line with what the source declares.

A row is written when its declaration changes, and only then: what an administrator changes stays
until the source says something new, and what he deletes stays deleted. One transaction does it all.
Its first statement locks the row of ``ScheduleSource``, so that processes which start at once
follow one another, and the second finds nothing to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections, router, transaction
from django.db.models import F

from django_q.brokers.orm.table import fetch_rows
from django_q.conf import Conf, logger
from django_q.models import Schedule, ScheduleSource
from django_q.scheduling.declared.declaration import Declaration
from django_q.scheduling.declared.declared_rows import (
    pause_undeclared,
    resume_declared,
    write_declared,
)
from django_q.scheduling.declared.discovery import SourceDeclarations
from django_q.scheduling.declared.release_order import (
    fingerprint_of,
    is_older,
    release_number,
    supersede,
)
from django_q.text.error_text import error_summary

#: Of the record of a schedule in ``ScheduleSource.records``: the key of its row, the values as they
#: were declared last, and whether that was by an earlier release, and it is gone.
ROW, VALUES, IS_GONE = "row", "values", "gone"


def synchronize(found: SourceDeclarations, is_forced: bool = False) -> None:
    """Write the schedules of the source, unless a later release has done so.

    Raises ``DatabaseError``, and ``InvalidRelease``.
    """
    alias = router.db_for_write(Schedule)
    if not found.declarations and not has_source(alias):
        return
    sources = ScheduleSource.objects.using(alias)
    source = sources.filter(project=Conf.PREFIX).first()
    fingerprint = fingerprint_of({key: one.values for key, one in found.declarations.items()})
    if not is_forced and is_written(source, fingerprint):
        return
    sources.get_or_create(project=Conf.PREFIX)
    with transaction.atomic(using=alias):
        sources.filter(project=Conf.PREFIX).update(version=F("version") + 1)  # locks it
        source = sources.get(project=Conf.PREFIX)
        if not is_forced and is_older(source, fingerprint, Conf.RELEASE):
            log_older(source)
            return
        writer = DeclarationWriter(source, found, alias)
        if found.failed:
            writer.write_unknown()
        else:
            source.is_complete = writer.write_all()
            supersede(source, fingerprint, Conf.RELEASE)
        source.records = json.dumps(writer.records)
        source.save(using=alias)


def has_source(alias: str) -> bool:
    """Return True if the project has ever declared a schedule.

    Asked without a queryset, because using one takes 2.5 MiB of memory in a process.
    """
    connection = connections[alias]
    table = connection.ops.quote_name(ScheduleSource._meta.db_table)
    query = f"SELECT version FROM {table} WHERE project = %s"
    return bool(fetch_rows(connection, query, [Conf.PREFIX]))


def is_written(source: ScheduleSource | None, fingerprint: str) -> bool:
    """Return True if nothing is to be written. Raises ``InvalidRelease``."""
    release = release_number(Conf.RELEASE)
    if source is None or not source.is_complete or source.fingerprint != fingerprint:
        return False
    return release in (None, release_number(source.release))


def log_older(source: ScheduleSource) -> None:
    """Log that the schedules of this source are not written."""
    logger.warning(
        "the schedules that this source declares are not written, as a later release%s has "
        "declared others. If it is this one that counts, raise 'release' in Q_CLUSTER, or run the "
        "command qschedules",
        f" ({source.release})" if source.release else "",
    )


class DeclarationWriter:
    """Writes the declarations of one source, and keeps a record of each."""

    def __init__(self, source: ScheduleSource, found: SourceDeclarations, alias: str) -> None:
        self.found, self.alias = found, alias
        self.records: dict[str, dict[str, Any]] = json.loads(source.records)

    def write_unknown(self) -> None:
        """Write what was never declared before: all that is certain while modules are missing."""
        for name, declaration in self.found.declarations.items():
            if name not in self.records:
                self.attempt(self.write_one, declaration)

    def write_all(self) -> bool:
        """Write all declarations and pause what is gone. Return False if one can not be written."""
        self.rename()
        done = [self.attempt(self.write_one, each) for each in self.found.declarations.values()]
        for name in self.records.keys() - self.found.declarations.keys():
            self.give_up(self.records[name])
        return all(done)

    def attempt(self, step: Callable[[Declaration], None], declaration: Declaration) -> bool:
        """Call a function with a declaration; log what is wrong with it and return False."""
        try:
            with transaction.atomic(using=self.alias):
                step(declaration)
        except DatabaseError:
            raise
        except (Exception, SystemExit) as error:  # the function is imported, which may raise any
            text = "; ".join(error.messages) if isinstance(error, ValidationError) else ""
            logger.error(
                "the schedule %s of %s can not be written: %s",
                declaration.name,
                declaration.func,
                text or error_summary(error),
            )
            return False
        return True

    def rename(self) -> None:
        """Move the record of a schedule whose function declares it by another name, and no more."""
        gone, new = self.records.keys(), self.found.declarations.keys()
        for name in new - gone:
            func = self.found.declarations[name].func
            before = [each for each in gone - new if self.records[each][VALUES]["func"] == func]
            others = [each for each in new - gone if self.found.declarations[each].func == func]
            if len(before) == len(others) == 1:
                self.records[name] = self.records.pop(before[0])
                logger.info("the schedule %s of %s is now named %s", before[0], func, name)

    def write_one(self, declaration: Declaration) -> None:
        """Write a declaration into its row where it has changed, or has come back."""
        record = self.records.get(declaration.name, {})
        schedule = self.row_of(record) or self.row_to_make(declaration, record)
        if schedule is None:
            return  # somebody has deleted it
        if record.get(VALUES) != declaration.values:
            write_declared(schedule, declaration.values, record.get(VALUES), self.alias)
        elif schedule.pk is None:
            write_declared(schedule, declaration.values, None, self.alias)
        if record.get(IS_GONE):
            resume_declared(schedule, self.alias)
        new = {ROW: schedule.pk, VALUES: declaration.values, IS_GONE: False}
        self.records[declaration.name] = new

    def row_of(self, record: dict[str, Any]) -> Schedule | None:
        """Find the row of a record."""
        rows = Schedule.objects.using(self.alias)
        return rows.filter(pk=record[ROW]).first() if record else None

    def row_to_make(self, declaration: Declaration, record: dict[str, Any]) -> Schedule | None:
        """Return a row for a declaration: one that has its name, or a new one.

        None where its row was deleted, and the source says the same as before.
        """
        if record and not record[IS_GONE] and record[VALUES] == declaration.values:
            return None
        rows = Schedule.objects.using(self.alias).filter(name=declaration.name)
        taken = {each[ROW] for each in self.records.values()}
        existing = next((row for row in rows.order_by("pk") if row.pk not in taken), None)
        return existing or Schedule(func=declaration.func)

    def give_up(self, record: dict[str, Any]) -> None:
        """Pause the schedule of a record that is declared no longer."""
        if not record[IS_GONE]:
            record[IS_GONE] = True
            if schedule := self.row_of(record):
                pause_undeclared(schedule, self.alias)
