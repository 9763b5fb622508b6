"""The queues: whether a cluster takes from each, and what holds it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from django_q.conf import Conf
from django_q.dashboard.display import coarse_duration
from django_q.dashboard.figures.queue_lines import is_unserved
from django_q.doctor.findings.finding import Finding, counted, error, info, warning
from django_q.status import Stat
from django_q.unfinished.holds import hold_texts
from django_q.unfinished.queues import QueueState, is_served, queue_states, state_of
from django_q.unfinished.reading import broker_for

#: Seconds for which the oldest task of a queue that is served may wait.
MAX_WAIT_SECONDS = 600


def examine() -> Iterator[Finding]:
    """Look at all queues of the broker."""
    if getattr(broker_for(None), "is_process_local", False):
        return
    stats = Stat.get_all(broker_for(None))
    served = sorted({stat.queue for stat in stats if stat.queue})
    for state in all_states(stats):
        yield from queue_findings(state, served)


def all_states(stats: Sequence[Stat]) -> list[QueueState]:
    """Read the queues that have tasks, and those that the settings name."""
    states = queue_states(broker_for(None), stats)
    known = {state.name for state in states}
    for name in sorted(set(map(str, Conf.ALT_CLUSTERS)) - known):
        states.append(state_of(broker_for(name), name, is_served(name, stats), stats))
    return states


def queue_findings(state: QueueState, served: Sequence[str]) -> Iterator[Finding]:
    """Look at one queue; ``served`` are the names of those that a cluster takes from."""
    held = ", ".join(hold_texts(state.control, state.counts.leased))
    waiting = state.counts.waiting + state.counts.delayed
    tasks = counted(waiting, "waiting task")
    if is_unserved(state):
        yield error(
            "queue-unserved",
            f"The queue '{state.name}' has {tasks}, and no cluster serves it.",
            unserved_cure(state.name, served),
        )
    elif state.is_served is None:
        text = f"The queue '{state.name}' on the same server is of another project."
        yield info("queue-foreign", text)
    if held:
        make = warning if waiting else info
        yield make(
            "queue-held",
            f"The queue '{state.name}', with {tasks}, is held back by people: {held}.",
            f"manage.py qresume {state.name} ends a pause.",
        )
    elif state.is_served and (state.counts.oldest or 0) > MAX_WAIT_SECONDS:
        yield warning(
            "queue-behind",
            f"The oldest of {tasks} in '{state.name}' has waited for "
            f"{coarse_duration(state.counts.oldest or 0)}.",
            "Run more workers or clusters for it; look at what its workers do with qmonitor.",
        )


def unserved_cure(name: str, served: Sequence[str]) -> str:
    """Say how a queue is served, or which name was meant."""
    command = "manage.py qcluster" + ("" if name == Conf.CLUSTER_NAME else f" --name {name}")
    like = get_close_matches(name, served, n=1)
    meant = f" Or was '{like[0]}' meant, which is served? Then correct the name." if like else ""
    return f"Start a cluster for it: {command}.{meant}"
