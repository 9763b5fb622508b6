"""A network between the cluster and its server that fails packet by packet."""

from __future__ import annotations

import math
import time

from tests.faults import network
from tests.faults.driver import RETRY, Run
from tests.faults.faults import SERVERS, fault


def lay_network(run: Run) -> None:
    """Put the cluster on a host of its own."""
    run.rig.lay_network()


def network_fault(name: str, short: bool | tuple[str, ...] = False):
    """Register a fault of the network, where such a network can be made."""
    return fault(name, SERVERS, short, prepare=lay_network, possible=network.is_here)


def outlive(run: Run, seconds: float) -> None:
    """Let a time pass. TCP sends again later and later, and may need as long to notice the end."""
    for _ in range(math.ceil(2 * seconds / RETRY) + 1):
        run.lapse()
    time.sleep(seconds)


@network_fault("network partitioned", short=("redis",))
def cut(run: Run) -> None:
    """Let no packet pass between the cluster and the server for a while."""
    wire = run.rig.network
    run.instant()
    with wire.failing(wire.requests, wire.replies, is_cut=True):
        outlive(run, run.random.uniform(0.3, 1.2))


@network_fault("network partitioned longer than a lease")
def cut_for_long(run: Run) -> None:
    """Let no packet pass for longer than leases last."""
    wire = run.rig.network
    run.instant()
    with wire.failing(wire.requests, wire.replies, is_cut=True):
        outlive(run, run.random.uniform(RETRY * 1.5, RETRY * 2.5))


@network_fault("network partitioned for many seconds")
def cut_for_many_seconds(run: Run) -> None:
    """Let no packet pass for so long that TCP would wait for seconds more to send again."""
    wire = run.rig.network
    run.instant()
    with wire.failing(wire.requests, wire.replies, is_cut=True):
        outlive(run, run.random.uniform(8, 24))


@network_fault("network cut one way")
def cut_one_way(run: Run) -> None:
    """Let packets pass in one direction alone for a while, at times longer than leases last."""
    wire = run.rig.network
    run.instant()
    with wire.failing(run.random.choice([wire.requests, wire.replies]), is_cut=True):
        outlive(run, run.random.uniform(0.3, RETRY * 2))


@network_fault("network flaps", short=("redis",))
def flap(run: Run) -> None:
    """Cut and mend the network again and again."""
    wire = run.rig.network
    for _ in range(6):
        run.instant(0.4)
        with wire.failing(wire.requests, wire.replies, is_cut=True):
            outlive(run, run.random.uniform(0.05, 0.4))


@network_fault("network loses and delays packets")
def lose(run: Run) -> None:
    """Lose up to a third of the packets, and have the others overtake each other."""
    wire = run.rig.network
    run.instant()
    loss, delay = run.random.uniform(0.05, 0.3), run.random.uniform(0, 0.05)
    with wire.failing(wire.requests, wire.replies, loss=loss, delay=delay):
        outlive(run, run.random.uniform(1, 2))
