"""Tracebacks as text, taken apart into frames; one frame is that which counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from django_q.execution.run_details import is_library_file

#: Where the traceback of a stored failure begins, behind the ``repr`` of the exception.
TRACEBACK_SEPARATOR = " : Traceback (most recent call last):"
#: The head of a frame; those of exception groups stand behind bars.
FRAME_HEAD = re.compile(r'([\s|]*)File "(.+)", line (\d+)(?:, in (.+))?')
#: Folders of Python's own library and of installed packages, on whatever host.
LIBRARY_PATH = re.compile(r"[\\/](?:lib|Lib|lib64)[\\/]python3[^\\/]*[\\/]|[\\/]site-packages[\\/]")


@dataclass(frozen=True)
class Frame:
    """A frame of a traceback, or where ``file`` is empty, a text between frames."""

    file: str = ""
    number: int = 0
    function: str = ""
    #: What follows its head: the line of code and marks below it.
    text: str = ""
    is_library: bool = False
    #: Whether it is the last one that is the project's: there one looks first.
    is_counted: bool = False


def split_error(text: str) -> tuple[str, str]:
    """Split the text of a stored failure into the exception and its traceback."""
    head, separator, trace = text.partition(TRACEBACK_SEPARATOR)
    return (head, f"{separator[3:]}{trace}") if separator else (text, "")


def frames_of(trace: str) -> list[Frame]:
    """Take a traceback apart; the frame that counts is marked.

    It is the last one of the project; where only libraries were called, the last of all.
    """
    parts = list(parts_of(trace.splitlines()))
    frames = [index for index, part in enumerate(parts) if part.file]
    own = [index for index in frames if not parts[index].is_library]
    for index in (own or frames)[-1:]:
        parts[index] = replace(parts[index], is_counted=True)
    return parts


def parts_of(lines: list[str]) -> Iterator[Frame]:
    """Yield the frames of a traceback, and the texts between them."""
    current, indent, below = Frame(), 0, []
    for line in lines:
        match = FRAME_HEAD.fullmatch(line)
        # The code of a frame stands further to the right than its head.
        is_below = len(line) - len(line.lstrip(" |")) > indent
        if match or (current.file and not is_below):
            if current.file or below:
                yield replace(current, text="\n".join(below))
            current, below = (frame_of(match) if match else Frame()), []
            indent = len(match[1]) if match else 0
        if not match:
            below.append(line)
    if current.file or below:
        yield replace(current, text="\n".join(below))


def frame_of(match: re.Match) -> Frame:
    """Make a frame of its head."""
    file = match[2]
    is_library = is_library_file(file) or bool(LIBRARY_PATH.search(file))
    return Frame(file, int(match[3]), match[4] or "", is_library=is_library)


def traceback_block(text: Any) -> SafeString | None:
    """Show a stored failure with the frame that counts opened; None if it has no frames."""
    head, trace = split_error(text) if type(text) is str else ("", "")
    parts = frames_of(trace)
    if not any(part.file for part in parts):
        return None
    shown = format_html_join("", "{}", ((part_block(part),) for part in parts))
    return format_html('<div class="django-q-frames"><p>{}</p>{}</div>', head, shown)


def part_block(part: Frame) -> SafeString:
    """Show a frame, or what stands between frames."""
    if not part.file:
        return format_html("<pre>{}</pre>", part.text)
    place = f"{part.file}:{part.number}"
    return format_html(
        "<details{}><summary><code>{}</code> {}</summary><pre>{}</pre></details>",
        SafeString(" open") if part.is_counted else "",
        *(place, part.function, part.text),
    )
