"""``manage.py qcluster``: run a cluster."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext as _

from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.exceptions import BrokerUnavailable
from django_q.management.arguments import tcp_port
from django_q.management.reloading import ReloadedCluster, is_reloaded
from django_q.processes.server_calls.call_timeout import call_timeout
from django_q.processes.supervision.process_start import log_to_terminal
from django_q.processes.supervision.resource_limits import (
    is_open_files_error,
    open_closed_streams,
    open_files_message,
)
from django_q.processes.supervision.unix_signals import exit_on_stop_signals

#: Errors of writing to a stream that is full, closed, or missing.
STREAM_ERRORS = (OSError, ValueError, AttributeError)


class Command(BaseCommand):
    """Runs a cluster until it is stopped."""

    help = _("Starts a Django Q cluster.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--run-once",
            action="store_true",
            help=_("Work off what is queued, then stop."),
        )
        parser.add_argument(
            "--reload",
            action="store_true",
            help=_("Restart when a file of the project changes. For development."),
        )
        parser.add_argument(
            "-n",
            "--name",
            dest="cluster_name",
            help=_("Work for this queue, with its settings from ALT_CLUSTERS."),
        )
        parser.add_argument(
            "--metrics-port",
            type=tcp_port,
            metavar="PORT",
            help=_("Serve /metrics, /healthz and /readyz at this TCP port."),
        )
        parser.add_argument(
            "--metrics-host",
            metavar="ADDRESS",
            help=_("The address for it; by default 127.0.0.1, which only this host reaches."),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise CommandError(
                "A cluster needs Unix sockets, which this system does not have. On Windows, run it "
                "in WSL or in a container; tasks can be enqueued from anywhere."
            )
        open_closed_streams()
        if options["reload"] and not is_reloaded():
            if options["run_once"]:
                raise CommandError("--reload restarts a cluster that --run-once would end.")
            log_to_terminal()
            sys.exit(ReloadedCluster().run())
        if self._called_from_command_line:
            exit_on_stop_signals()  # until there is a cluster to stop
        if options["cluster_name"]:
            # In the environment too, for the processes that do not inherit this one's memory.
            os.environ["Q_CLUSTER_NAME"] = options["cluster_name"]
            Conf.from_django()
        for name in ("metrics_port", "metrics_host"):
            if options[name] is not None:
                setattr(Conf, name.upper(), options[name])
        log_to_terminal()
        # The cluster runs without: a database may become available later, and the warning about
        # migrations may have no stream to be written to.
        with contextlib.suppress(DatabaseError, BrokerUnavailable, *STREAM_ERRORS), call_timeout():
            self.check_migrations()
        try:
            code = Cluster().run(
                until_empty=options["run_once"], then_exit=self._called_from_command_line
            )
        except Exception as error:
            if is_open_files_error(error):
                raise CommandError(open_files_message()) from error
            if type(error) is RuntimeError:  # from Cluster, with a text that says what to do
                raise CommandError(str(error)) from error
            raise
        if code:
            sys.exit(code)
