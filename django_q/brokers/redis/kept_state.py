"""What is kept beside payloads, as the scripts write and read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django_q.brokers.contract.kept_state import MAX_STATE_LENGTH, KeptState


def kept_state(texts: list[bytes] | bytes) -> KeptState | None:
    """Read what a script has found beside a payload; None for the empty text of nothing."""
    return KeptState(*(text.decode(errors="replace") for text in texts)) if texts else None


def kept_texts(states: Mapping[str, KeptState] | None, ack_ids: Iterable[str]) -> list[int | str]:
    """Write what is to be kept of deliveries, as lua/orders/kept_texts.lua reads it.

    A text that is too long is left out, and so is the mark of a cancellation.
    """
    args: list[int | str] = [0]
    for ack_id in ack_ids if states else ():
        state = states.get(ack_id) or KeptState()
        texts = [text if len(text) <= MAX_STATE_LENGTH else "" for text in state[:2]]
        if any(texts):
            args += (ack_id, *texts)
    args[0] = len(args) // 3
    return args
