"""Read the ``Q_CLUSTER`` setting into one typed table; define the logger and the Redis client."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, get_type_hints

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from django_q.foreign_code.error_reporting import ErrorReporter, load_reporters

# Projects import these from here, where django-q2 has them.
from django_q.foreign_code.optional_packages import (  # noqa: F401
    croniter,
    prometheus_multiprocess,
    psutil,
    resource,
    setproctitle,
)
from django_q.servers.connections import connect_redis
from django_q.text.log_lines import PrintableLogFilter
from django_q.text.typed_settings import as_typed

logger = logging.getLogger("django-q")
logger.addFilter(PrintableLogFilter())

#: The process that started this one; a name of django-q2.
get_ppid = os.getppid

#: Keys of ``Q_CLUSTER`` whose attribute has another name than the key in upper case.
RENAMED_KEYS = {"name": "PREFIX", "compress": "COMPRESSED"}


def cpu_count() -> int:
    """Return the number of processors this process may use; 4 where the platform does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 4


@dataclass
class Settings:
    """The ``Q_CLUSTER`` setting. Times are in seconds unless said otherwise."""

    #: The project's name on its broker, and the salt of signatures: clusters share tasks only with
    #: those of the same name.
    PREFIX: str = "default"
    #: The queue that this process takes tasks from; the value of ``name`` unless set.
    CLUSTER_NAME: str = ""
    #: The Redis server: keyword arguments of ``redis.Redis``, or a URL. Or the sentinels of a
    #: deployment of Redis Sentinel, or ``"cluster": True`` and ``startup_nodes`` of Redis Cluster.
    REDIS: dict | str = field(default_factory=dict)
    #: Alias of a ``django_redis`` cache whose connection is used instead of ``redis``.
    DJANGO_REDIS: str | None = None
    #: Alias of a database: the queue is the ``OrmQ`` table there.
    ORM: str | None = None
    #: Amazon SQS: aws_region, aws_access_key_id, aws_secret_access_key, further arguments of
    #: ``boto3.Session``, and receive_message_wait_time_seconds (20 at most).
    SQS: dict | None = None
    #: Dotted path of a broker of your own; it has precedence over the others.
    BROKER_CLASS: str | None = None
    #: Pause between two polls of an empty queue, for a broker that has no way to wait.
    POLL: float = 0.2
    #: Level of the ``django-q`` logger when ``qcluster`` sets logging up.
    LOG_LEVEL: str = "INFO"
    #: Successful tasks kept in the database; 0 keeps all, -1 saves none. Failures are kept.
    SAVE_LIMIT: int = 250
    #: Apply ``save_limit`` for each "group", "name" or "func" on its own.
    SAVE_LIMIT_PER: str | None = None
    #: Interval of the heartbeats of a cluster at work; that of an idle one is five seconds.
    GUARD_CYCLE: float = 0.5
    #: Whether this cluster runs schedules.
    SCHEDULER: bool = True
    #: Worker processes.
    WORKERS: int = field(default_factory=cpu_count)
    #: Whether workers are daemonic; False lets tasks start processes with multiprocessing.
    DAEMONIZE_WORKERS: bool = True
    #: The most tasks held inside a cluster; 0 limits them by time alone (about 50 ms of work).
    QUEUE_LIMIT: int = 0
    #: Whether packages are compressed with zlib.
    COMPRESSED: bool = False
    #: The most bytes of a package, compressed and decompressed.
    MAX_PACKAGE_SIZE: int = 64 * 1024 * 1024
    #: How arguments travel and results are stored: "pickle", or "json" for no pickle at all.
    SERIALIZER: str = "pickle"
    #: The functions that may run as a task, a hook, a link or a schedule: dotted names, and
    #: "package.*" for all that are defined below; None allows all that can be imported.
    FUNCTIONS: list | tuple | None = None
    #: Tasks that a worker runs before another replaces it. From 100 on it also runs for at least a
    #: second, as starting a worker costs as much as hundreds of very short tasks.
    RECYCLE: int = 500
    #: Memory of a worker, in kilobytes, above which it is replaced after its task.
    MAX_RSS: int | None = None
    #: Time limit of a task; None sets no limit.
    TIMEOUT: float | None = None
    #: Whether a failed task is acknowledged, so that it is not delivered again.
    ACK_FAILURES: bool = True
    #: How long a broker waits for a cluster that has died before it delivers a task again.
    RETRY: float = 60
    #: The most deliveries of a task that fails or kills its worker. With 0, failures that are not
    #: acknowledged have no limit, and a task that has killed three workers is ended.
    MAX_ATTEMPTS: int = 0
    #: How often a task that fails is run again, where its call sets no ``retries``.
    RETRIES: int = 0
    #: How long after its first failure; the delay grows by ``retry_backoff`` each time.
    RETRY_DELAY: float = 10
    #: By which a delay is multiplied after each failure; 1 keeps it as it is.
    RETRY_BACKOFF: float = 2
    #: How long a task waits for its next attempt at most.
    RETRY_MAX_DELAY: float = 3600
    #: Share of each delay that is left to chance, so that tasks which fail together do not return
    #: together: with 0.2 a delay of 10 s takes from 8 to 10 s.
    RETRY_JITTER: float = 0.2
    #: Seconds after which ``SoftTimeout`` is raised in a task, which it may catch; None for never.
    #: Lower than ``timeout``.
    SOFT_TIMEOUT: float | None = None
    #: Priority of tasks that set none, from -100 to 100: higher ones come first.
    PRIORITY: int = 0
    #: How long after it is due a task may be begun at most; None sets no limit.
    EXPIRES: float | None = None
    #: Whether each task can be found by its id while it waits.
    TRACK: bool = False
    #: How long an ``idempotency_key`` stands for the first task that had it.
    IDEMPOTENCY_FOR: float = 86400
    #: What a call does while a task of its ``unique`` key has not ended: "existing" returns the id
    #: of that task, "replace" replaces one that waits, "reject" raises ``AlreadyEnqueued``.
    ON_DUPLICATE: str = "existing"
    #: Deliveries that are taken from Amazon SQS or a custom broker at a time.
    BULK: int = 1
    #: Name of the app in the admin.
    LABEL: str = "Django Q"
    #: Names of arguments, and of keys in them, whose values the admin shows as dots; those with
    #: password, secret, token or credential in them are dots in any case.
    HIDE: list | tuple = ()
    #: Whether clusters count the runs of tasks for the charts of the dashboard.
    ROLLUPS: bool = True
    #: Bytes that are kept of what an attempt of a task logs and prints, the last ones; None keeps
    #: none. Each worker has so much memory for it.
    KEEP_LOGS: int | None = None
    #: How long they are kept; and 20,000 logs at most.
    KEEP_LOGS_FOR: float = 604800
    #: Number of processors to which each worker is bound; 0 binds none. Needs psutil.
    CPU_AFFINITY: int = 0
    #: Run each task at once, in the process that calls it.
    SYNC: bool = False
    #: Whether a task that runs at once raises its exception in the caller.
    SYNC_RAISES: bool = False
    #: Whether a task that is enqueued inside a transaction is pushed when that commits.
    ON_COMMIT: bool = True
    #: Alias of a database: tasks are rows of its transactions until they are in the queue.
    OUTBOX: str | None = None
    #: What a task has of its caller's context: "language", "timezone", "opentelemetry" for its
    #: trace, and the dotted paths of variables of the type ``contextvars.ContextVar``.
    CONTEXT: list | tuple = ()
    #: Alias of the cache for cached results.
    CACHE: str = "default"
    #: Keep results in the cache instead of the database: True, or seconds.
    CACHED: bool | int = False
    #: What happens to due times that passed while no cluster ran: "all", "latest" or "none".
    #: True means "all", False "latest".
    CATCH_UP: bool | str = "latest"
    #: Time zone of schedules that name none; ``settings.TIME_ZONE`` unless set.
    TIME_ZONE: str | None = None
    #: Modules whose ``@scheduled`` functions are schedules, the same in all processes of a project;
    #: None means the module ``tasks`` of each installed app.
    SCHEDULE_MODULES: list | tuple | None = None
    #: The release of the project that this source is: a number, or numbers with dots such as
    #: "2026.11.30", which grow. A lower one writes no schedules of its source.
    RELEASE: str | int | None = None
    #: Error reporters by the name of their ``djangoq.errorreporters`` entry point, each with
    #: its keyword arguments.
    ERROR_REPORTER: dict = field(default_factory=dict)
    #: What to tell somebody of, and whom: rules with their limits, and "mail", "webhook".
    ALERTS: dict = field(default_factory=dict)
    #: TCP port at which ``qcluster`` serves ``/metrics``, ``/healthz`` and ``/readyz``.
    METRICS_PORT: int | None = None
    #: The address for it. Others than this host reach it only at another, such as "0.0.0.0".
    METRICS_HOST: str = "127.0.0.1"
    #: A secret that whoever reads the metrics shows, as ``Authorization: Bearer ...``.
    METRICS_TOKEN: str | None = None
    #: How long a stop waits for running tasks before it ends and releases them.
    STOP_TIMEOUT: float = 60
    #: How processes are started: "fork", "forkserver" or "spawn"; None means fork, but spawn on
    #: macOS and where there is no fork.
    START_METHOD: str | None = None
    #: Whether to skip what a test environment may not have, such as processor affinity.
    TESTING: bool = False
    #: Options that differ for clusters of other names, by name: see ``qcluster --name``.
    ALT_CLUSTERS: dict = field(default_factory=dict)

    #: Options of the predecessors for which there is no broker here.
    IRON_MQ = MONGO = MONGO_DB = None

    STARTING = _("Starting")
    WORKING = _("Working")
    IDLE = _("Idle")
    STOPPED = _("Stopped")
    STOPPING = _("Stopping")

    #: Unix signals by number, as they are named in logs.
    SIGNAL_NAMES = {int(number): number.name for number in signal.Signals}

    @property
    def SECRET_KEY(self) -> str:
        """The signing key, read when it is used: until then a project needs none."""
        key: str = settings.SECRET_KEY
        return key

    @property
    def Q_LIST(self) -> str:
        """Key of the queue on Redis."""
        return f"django_q:{self.redis_name(self.CLUSTER_NAME)}:q"

    @property
    def Q_STAT(self) -> str:
        """Prefix of the keys of heartbeats."""
        return f"django_q:{self.redis_name(self.PREFIX)}:cluster"

    def redis_name(self, name: str) -> str:
        """Return a name as keys have it: in Redis Cluster a hash tag, so that they are together."""
        is_cluster = isinstance(self.REDIS, Mapping) and self.REDIS.get("cluster")
        return f"{{{name}}}" if is_cluster else name

    @property
    def RELAYS_OUTBOX(self) -> bool:
        """Whether clusters have tasks of an outbox to relay."""
        return bool(self.OUTBOX) and self.OUTBOX != self.ORM

    @property
    def conf(self) -> dict[str, Any]:
        """``Q_CLUSTER`` as it is in the settings, with the options of this cluster merged in."""
        return with_cluster(given_options(), os.environ.get("Q_CLUSTER_NAME"))

    @cached_property
    def QSIZE(self) -> bool:
        """Whether queues inside a cluster have a size: always; a name of the predecessors."""
        return True

    def load(self, options: Mapping[str, Any], cluster: str | None = None) -> None:
        """Set all attributes from ``options``, with those of ``cluster`` in its ALT_CLUSTERS.

        In place, because ``Conf`` is imported by name. Unknown options are ignored here: system
        checks report them.
        """
        known = {field.name for field in fields(self)}
        values = {
            attribute_name(key): value for key, value in with_cluster(options, cluster).items()
        }
        defaults, hints = type(self)(), get_type_hints(type(self))
        for name in known:
            setattr(self, name, as_typed(values.get(name, getattr(defaults, name)), hints[name]))
        self.CLUSTER_NAME = self.CLUSTER_NAME or self.PREFIX
        if self.TIME_ZONE is None:
            self.TIME_ZONE = settings.TIME_ZONE

    def from_django(self) -> None:
        """Read ``settings.Q_CLUSTER``, for the cluster that ``Q_CLUSTER_NAME`` names."""
        self.load(given_options(), os.environ.get("Q_CLUSTER_NAME"))


def given_options() -> Mapping[str, Any]:
    """Return ``Q_CLUSTER``; an empty table if it is none, which the system checks report."""
    options = getattr(settings, "Q_CLUSTER", None)
    return options if isinstance(options, Mapping) else {}


def attribute_name(key: str) -> str:
    """Return the attribute of ``Conf`` for a key of ``Q_CLUSTER``."""
    return RENAMED_KEYS.get(key, str(key).upper())


def with_cluster(options: Mapping[str, Any], cluster: str | None) -> dict[str, Any]:
    """Return the options of all clusters with those of one named cluster merged in."""
    merged = dict(options)
    own = options.get("cluster_name") or options.get("name", "default")
    if cluster and cluster != own:
        alternative = (options.get("ALT_CLUSTERS") or {}).get(cluster) or {}
        # Not the name, which salts the signatures, nor the cluster's own name, which is given.
        merged.update({k: v for k, v in alternative.items() if k not in ("name", "cluster_name")})
        merged["cluster_name"] = cluster
    return merged


Conf = Settings()
Conf.from_django()


def get_redis_client() -> Any:
    """Make a client for the Redis server that ``Q_CLUSTER`` configures."""
    return connect_redis(Conf.REDIS, Conf.DJANGO_REDIS, Conf.Q_STAT)


#: The client of this process, connected when it is first used.
redis_client = SimpleLazyObject(get_redis_client)


def reload_conf(*, setting: str, **kwargs: Any) -> None:
    """Read the settings again after ``override_settings``; a receiver of ``setting_changed``."""
    if setting in ("Q_CLUSTER", "TIME_ZONE"):
        Conf.from_django()


setting_changed.connect(reload_conf, dispatch_uid="django_q.conf.reload_conf")


class LazyErrorReporter:
    """The configured error reporters, loaded when the first exception is reported."""

    def __init__(self) -> None:
        self.loaded: ErrorReporter | None = None

    @property
    def targets(self) -> list[Any]:
        """The reporters."""
        if self.loaded is None:
            self.loaded = load_reporters(Conf.ERROR_REPORTER)
        return self.loaded.targets

    def report(self, task: str = "") -> None:
        """Have each reporter report the exception that is being handled; ``task`` is a name."""
        if self.targets:
            self.loaded.report(task)  # type: ignore[union-attr]


error_reporter = LazyErrorReporter()
