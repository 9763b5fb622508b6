"""Rewrite source written for Django Q 0.x: ``async`` becomes ``async_task``, the rest stays."""

import warnings
from dataclasses import dataclass

from django_q.legacy.lexer import ASYNC_NAME, replace_names
from django_q.legacy.name_uses import ASYNC_TASK_NAME, AsyncNameUses
from django_q.legacy.source import SOURCE_ERRORS, Source, parse_source, read_source

Remark = tuple[int, str]


@dataclass(frozen=True)
class Translation:
    """The result of translating a file."""

    data: bytes  #: the new content; the old one where there is nothing to do or a problem
    count: int = 0  #: of names that were changed
    problems: tuple[Remark, ...] = ()  #: (line, text): why the file can't be translated
    remarks: tuple[Remark, ...] = ()  #: (line, text): what was left, and is worth checking

    @property
    def has_changed(self) -> bool:
        return self.count > 0


def translate(data: bytes, path: str = "<source>") -> Translation:
    """Rewrite the content of a Python file, if all of it can be.

    A name that is not Django Q's, and a file that would not compile, are problems; with one,
    nothing is changed. Comments, strings and every other byte are kept.
    """
    if ASYNC_NAME.encode() not in data:
        return Translation(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _translate(data, path)
    except SOURCE_ERRORS as error:
        return Translation(data, problems=(_remark(error),))


def _translate(data: bytes, path: str) -> Translation:
    source = read_source(data)
    if not source.offsets:
        return Translation(data, remarks=unchanged_strings(source, path))
    parsed = parse_source(source, path)
    uses = AsyncNameUses(parsed.tree)
    shown = f"the string shows the name '{ASYNC_NAME}' itself"
    problems = sorted({*uses.problems, *((line, shown) for line in parsed.debug_string_lines)})
    if problems:
        return Translation(data, problems=tuple(problems))
    new = _rewrite(source, data)
    compile(new, path, "exec", dont_inherit=True)
    return Translation(new, len(source.offsets), remarks=tuple(sorted(uses.strings)))


def unchanged_strings(source: Source, path: str) -> tuple[Remark, ...]:
    """List the strings with the name in a file without other uses: a test may patch that path."""
    if f".{ASYNC_NAME}" not in source.text:
        return ()
    try:
        return tuple(sorted(AsyncNameUses(parse_source(source, path).tree).strings))
    except SOURCE_ERRORS:  # there is nothing in it that would be changed
        return ()


def _rewrite(source: Source, data: bytes) -> bytes:
    if source.text.encode(source.encoding) != data:
        raise ValueError(f"its text can't be written in {source.encoding} byte for byte")
    return replace_names(source.text, source.offsets, ASYNC_TASK_NAME).encode(source.encoding)


def _remark(error: Exception) -> Remark:
    text = getattr(error, "msg", None) or str(error) or type(error).__name__
    return getattr(error, "lineno", None) or 1, f"does not compile: {text}"
