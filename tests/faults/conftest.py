"""How many runs there are of each fault, and on what they stand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import (  # noqa: F401 - they register their faults
    disk,
    failover,
    foreign,
    mixtures,
    outages,
    partitions,
    refusals,
)
from tests.faults.driver import Run
from tests.faults.faults import FAULTS, Fault
from tests.faults.figures import note_figures
from tests.faults.rigs import FOLDER, KINDS, make_rig
from tests.faults.shards import SEEDS, part, seeds


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each fault, broker and seed."""
    if "fault_name" not in metafunc.fixturenames:
        return
    cases = [
        pytest.param(name, kind, seed, id=f"{name}-{kind}-{seed}")
        for seed in seeds()
        for name, fault in FAULTS.items()
        for kind in KINDS
        if kind in fault.brokers and is_wanted(fault, kind) and fault.is_possible()
    ]
    metafunc.parametrize(("fault_name", "kind", "seed"), cases)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the other processes what is theirs."""
    ours = [item for item in items if item.get_closest_marker("faults")]
    others = set(ours) - set(part(ours))
    items[:] = [item for item in items if item not in others]


def is_wanted(fault: Fault, kind: str) -> bool:
    """Whether a fault on a broker is part of this run."""
    short = ("redis", "sqlite") if fault.is_short is True else fault.is_short
    return SEEDS in os.environ or (bool(short) and kind in short)


@pytest.fixture
def make_run(
    tmp_path: Path, conf: Callable, django_db_blocker: Any
) -> Iterator[Callable[..., Run]]:
    """Make a run on a rig: ``make_run("redis", seed)``. It has ended with the test."""
    made: list[Run] = []

    def make(kind: str, seed: int, on_small_disk: bool = False) -> Run:
        conf(retry=2)
        if on_small_disk and not disk.mount(tmp_path / FOLDER):
            pytest.skip("only root may mount a disk")
        made.append(Run(make_rig(kind, tmp_path), seed))
        return made[-1]

    with django_db_blocker.unblock():
        yield make
        for run in made:
            run.close()
        disk.unmount(tmp_path / FOLDER)


@pytest.fixture
def judge() -> Callable[[Run, str, str, int], None]:
    """Wait for the end of a run, note its figures, and fail where something does not hold."""

    def settle(run: Run, name: str, kind: str, seed: int) -> None:
        verdict = run.settle()
        note_figures(name, kind, seed, verdict)
        again = f"{SEEDS}={seed}-{seed} pytest tests/faults -k '{name} and {kind}'"
        assert not verdict.violations(), f"{verdict.violations()}\nagain: {again}\n{run.told()}"

    return settle
