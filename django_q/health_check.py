"""A check for the views of the package ``django-health-check``, from its release 4 on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django_q.brokers import get_broker
from django_q.exceptions import BrokerUnavailable
from django_q.foreign_code.optional_packages import optional
from django_q.servers.connections import close_old
from django_q.terminal.health import Unhealthy, check

package: Any = optional("health_check.base")
if package is None:
    raise ImportError(
        "django_q.health_check needs the package django-health-check, which is not installed: "
        "pip install 'django-health-check>=4'."
    )
exceptions: Any = optional("health_check.exceptions")

__all__ = ["Clusters"]


@dataclass
class Clusters(package.HealthCheck):
    """Checks that a cluster serves a queue, and that tasks are taken from it."""

    #: The name of the cluster, as ``qcluster --name`` takes it; None for the project's own.
    cluster: str | None = None
    #: Seconds for which tasks may wait while no cluster is busy.
    stuck_seconds: float = field(default=3.0, repr=False)
    timeout: timedelta = field(default=timedelta(seconds=10), repr=False)

    def run(self) -> None:
        """Raise ``ServiceUnavailable`` if no cluster serves the queue, or the broker is away."""
        try:
            check(get_broker(self.cluster), None, self.stuck_seconds, queue=self.cluster)
        except Unhealthy as error:
            raise exceptions.ServiceUnavailable(str(error)) from error
        except BrokerUnavailable as error:  # its text may have an address
            raise exceptions.ServiceUnavailable("The broker does not answer.") from error
        finally:  # the thread belongs to a pool, which no request ends
            close_old()
