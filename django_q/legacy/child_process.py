"""Translate in a child process: source that is nested deeply can crash Python's parser.

Python 3.10 crashes on a sum of a hundred thousand numbers; there is no exception to catch then.
"""

import os
import pickle

from django_q.legacy.lexer import ASYNC_NAME
from django_q.legacy.translation import Translation, translate

TOO_DEEP_PROBLEM = (
    1,
    "does not compile: this Python's parser crashes, probably as the code is nested too deeply",
)


def translate_in_child_process(data: bytes, path: str) -> Translation:
    """Translate as ``translate`` does; source that crashes the parser is reported as a problem."""
    if ASYNC_NAME.encode() not in data or not hasattr(os, "fork"):
        return translate(data, path)
    receiving, sending = os.pipe()
    child = os.fork()
    if not child:
        _send(sending, data, path)
    os.close(sending)
    with open(receiving, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return pickle.loads(answer) if status == 0 else Translation(data, problems=(TOO_DEEP_PROBLEM,))


def _send(pipe: int, data: bytes, path: str) -> None:
    """Translate, send the answer, and end this process without running exit handlers."""
    status = 1
    try:
        answer = pickle.dumps(translate(data, path))
        with open(pipe, "wb") as file:
            file.write(answer)
        status = 0
    finally:
        os._exit(status)
