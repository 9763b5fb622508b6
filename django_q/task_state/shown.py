"""What a cluster shows of a task that runs when somebody asks: its log so far, or its stack.

The question is a notice of the queue; its key says it all. The answer stands beside the heartbeats.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from django_q.conf import Conf
from django_q.signing import BadSignature
from django_q.task_state.signed_text import RUN_ANSWER, read_signed_text, sign_text

#: What can be asked for.
LOG, STACK = "log", "stack"
#: How the keys of questions begin.
QUESTION_PREFIX = "show:"
#: Seconds for which a question, and an answer, stand.
QUESTION_SECONDS, ANSWER_SECONDS = 60, 60


@dataclass
class RunAnswer:
    """The answer of a cluster."""

    text: str
    at: float  # seconds since the epoch
    worker: str = ""
    attempt: int = 1
    begun: float = 0.0  # seconds since the epoch
    length: int = 0  # of a log: bytes in all; the text is the last of them


def question_key(kind: str, task_id: str) -> str:
    """Return the key of the notice that asks for something of a task."""
    return f"{QUESTION_PREFIX}{kind}:{task_id}"


def answer_key(kind: str, task_id: str) -> str:
    """Return the key under which the answer stands."""
    return f"django_q:{Conf.PREFIX}:shown:{kind}:{task_id}"


def sign_shown(kind: str, task_id: str, shown: RunAnswer) -> str:
    """Sign an answer."""
    return sign_text(RUN_ANSWER, f"{kind}:{task_id}", asdict(shown))


def read_shown(kind: str, task_id: str, text: str) -> RunAnswer:
    """Read an answer. Raises ``BadSignature`` for anything else."""
    value: Any = read_signed_text(RUN_ANSWER, f"{kind}:{task_id}", text)
    names = {field.name for field in fields(RunAnswer)}
    try:
        return RunAnswer(**{name: each for name, each in value.items() if name in names})
    except (TypeError, AttributeError) as error:
        raise BadSignature(f"The answer of a cluster is none: {error}.") from error
