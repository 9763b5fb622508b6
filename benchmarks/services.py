"""The servers: from wheels, or given by URL."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import redis

from benchmarks.processes import cpu_seconds
from tests.servers import PostgresServer, RedisServer
from tests.workspace import workspace

#: Databases that are made, and made anew for each sample.
DATABASE_NAME = "django_q_benchmark"


class SyncedPostgresServer(PostgresServer):
    """A PostgreSQL server whose commits reach the disk, as they do by default."""

    def command(self) -> list[str]:
        return [*super().command(), "-c", "fsync=on"]  # the last one counts


class Services:
    """The servers of a run, each started when it is first asked for."""

    def __init__(self, redis_address: str | None, postgres_address: str | None) -> None:
        self.addresses = (redis_address, postgres_address)
        self.sqlite = Path(workspace()) / "benchmark.sqlite3"
        self.templates: set[tuple[str, str]] = set()

    @cached_property
    def redis_url(self) -> str:
        """Give a Redis database that has nothing in it."""
        url = self.addresses[0] or RedisServer().start().url
        if redis.Redis.from_url(url).dbsize():
            raise SystemExit("--redis must name a database that is empty: it is emptied often.")
        return url

    @cached_property
    def redis(self) -> redis.Redis:
        """Connect to Redis."""
        return redis.Redis.from_url(self.redis_url)

    @cached_property
    def postgres_url(self) -> str:
        """Give a PostgreSQL server on which databases may be made."""
        return self.addresses[1] or SyncedPostgresServer().start().url

    @cached_property
    def postgres(self) -> psycopg.Connection:
        """Connect to PostgreSQL, beside the database that is measured."""
        return psycopg.connect(self.postgres_url, dbname="postgres", autocommit=True)

    def settings(self, kind: str) -> dict[str, Any]:
        """Make Django's settings of the database, as the documentation recommends them."""
        if kind == "sqlite":
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(self.sqlite),
                "OPTIONS": {
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
                    "transaction_mode": "IMMEDIATE",
                    "timeout": 30,
                },
            }
        parts = urlsplit(self.postgres_url)
        names = {"HOST": "hostname", "PORT": "port", "USER": "username", "PASSWORD": "password"}
        address = {key: getattr(parts, name) or "" for key, name in names.items()}
        return {"ENGINE": "django.db.backends.postgresql", "NAME": DATABASE_NAME, **address}

    def renew(self, kind: str, owner: str, make: Callable[[], None]) -> None:
        """Give a new database with the tables of a side, which ``make`` makes the first time."""
        key = f"{DATABASE_NAME}_{owner}"
        renew = self.renew_sqlite if kind == "sqlite" else self.renew_postgres
        renew(key, make if (kind, owner) not in self.templates else None)
        self.templates.add((kind, owner))

    def renew_sqlite(self, key: str, make: Callable[[], None] | None) -> None:
        """Copy the file, and leave nothing of the one before."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.sqlite}{suffix}").unlink(missing_ok=True)
        template = self.sqlite.with_name(key)
        if make:
            make()
            shutil.move(self.sqlite, template)
        shutil.copy(template, self.sqlite)

    def renew_postgres(self, key: str, make: Callable[[], None] | None) -> None:
        """Make the database from a template."""
        if make:
            self.create(DATABASE_NAME)
            make()
            self.create(key, DATABASE_NAME)
        self.create(DATABASE_NAME, key)
        self.postgres.execute("CHECKPOINT")

    def create(self, name: str, template: str = "template1") -> None:
        """Make a database, in place of the one before."""
        self.postgres.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.postgres.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def redis_commands(self) -> int:
        """Count the commands that Redis has been given."""
        return self.redis.info("stats")["total_commands_processed"]

    def transactions(self) -> int:
        """Count the transactions of the database; outside of blocks each statement is one."""
        query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
        return self.postgres.execute(query, [DATABASE_NAME]).fetchone()[0]

    def server_cpu(self, kind: str) -> float | None:
        """Add up the processor time of a server in seconds; None where it can not be known."""
        if kind == "redis":
            found = self.redis.info("cpu")
            return found["used_cpu_user"] + found["used_cpu_sys"]
        if kind == "postgres" and not self.addresses[1]:  # it runs here
            return cpu_seconds(psutil.Process(self.postgres.info.backend_pid).ppid())
        return None

    def close(self) -> None:
        """Leave nothing behind on servers that were given by URL; the others end with the run."""
        if "redis" in vars(self):
            self.redis.flushdb()
        if "postgres" in vars(self):
            for name in [
                DATABASE_NAME,
                *(f"{DATABASE_NAME}_{owner}" for _, owner in self.templates),
            ]:
                self.postgres.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            self.postgres.close()
