"""What is broken of a deployment of Redis Sentinel: another server becomes the master.

Redis copies to its replicas without waiting for them, so what a master has taken and not copied
is lost with it, whoever asks. Where a fault can not do without that loss, all that is enqueued has
been copied before: the driver waits for it. What is lost then are steps of the cluster, and a step
that is lost is done again.
"""

from __future__ import annotations

from tests.faults.driver import Run
from tests.faults.faults import fault

#: Tasks that are at work when a master goes, and seconds that each takes.
BURST, SECONDS = 100, 0.03
#: Tasks enqueued behind it, and the seconds over which they are.
MORE, SPREAD = 30, 0.3


# It takes a second until the sentinel tells of it, which is half of what leases are elsewhere.
@fault("failover in order", ("sentinel",), retry=10)
def fail_over_in_order(run: Run) -> None:
    """Fail over in good order while tasks are enqueued (``SENTINEL FAILOVER .. COORDINATED``)."""
    run.instant()
    run.rig.deployment.fail_over("COORDINATED")


@fault("failover to a replica", ("sentinel",))
def fail_over(run: Run) -> None:
    """Fail over when all that is enqueued is copied; the old master works on for a while."""
    burst(run)
    with run.crash():
        run.rig.deployment.fail_over()
        run.rig.deployment.settle()
    go_on(run)


@fault("master killed", ("sentinel",))
def kill_master(run: Run) -> None:
    """Kill the master when all that is enqueued is copied, and let the sentinel notice."""
    burst(run)
    old = run.rig.deployment.master
    with run.crash():
        old.kill()
        run.rig.deployment.await_other_than(old)
    go_on(run)


def burst(run: Run) -> None:
    """Keep the cluster busy with tasks that are all copied, until a random instant."""
    run.finish_producing()
    for number in range(10_000, 10_000 + BURST):
        run.attempt(number, (str(run.trace_file), number, SECONDS), {})
    run.rig.deployment.catch_up()
    run.instant()


def go_on(run: Run) -> None:
    """Enqueue more, now that another server is the master.

    What was delivered by the old one and not copied is delivered again while the first run may
    still go on, and nobody can stop it.
    """
    run.has_lapsed = True
    run.produce(MORE, SPREAD)
