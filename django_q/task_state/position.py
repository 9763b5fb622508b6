"""How far the loops of a task have got, as it is kept beside the task."""

from __future__ import annotations

from typing import Any

from django_q.signing import BadSignature
from django_q.task_state.signed_text import POSITION, read_signed_text, sign_text

#: By the number of a loop: how many items are done, and for rows, the key of the last, and of what
#: model they are.
LoopPositions = dict[str, list[Any]]


def sign_position(task_id: str, position: LoopPositions) -> str:
    """Sign the position of the loops of a task."""
    return sign_text(POSITION, task_id, position)


def read_position(task_id: str, text: str) -> LoopPositions:
    """Read the position of the loops of a task. Raises ``BadSignature`` for anything else."""
    value = read_signed_text(POSITION, task_id, text)
    if not isinstance(value, dict):
        raise BadSignature(f"The position of {task_id} is none: {value!r:.100}.")
    return {loop: at for loop, at in value.items() if is_loop_position(at)}


def is_loop_position(value: Any) -> bool:
    """Whether a value is how far a loop has got."""
    return isinstance(value, list) and bool(value) and type(value[0]) is int and value[0] >= 0
