"""Read source in which ``async`` is a name, on a Python where it is reserved."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from types import CodeType

from django_q.legacy.lexer import ASYNC_NAME, find_names, replace_names

#: What reading, parsing and compiling a file may raise because of what is in it.
SOURCE_ERRORS = (SyntaxError, ValueError, LookupError, RecursionError, MemoryError, OverflowError)


@dataclass(frozen=True)
class Source:
    """A Python file: its text, line ends and all, and where ``async`` is a name in it."""

    text: str
    encoding: str
    offsets: list[int]

    @property
    def placeholder(self) -> str:
        """Find a word as long as ``async`` that does not occur in the text."""
        return next(word for word in map("_{:04x}".format, count()) if word not in self.text)


@dataclass(frozen=True)
class ParsedSource:
    tree: ast.Module
    #: Lines with a string that has a name of its code as text: ``f"{async=}"``.
    debug_string_lines: list[int]


def read_source(data: bytes) -> Source:
    """Decode a file as Python does. Raises one of ``SOURCE_ERRORS``."""
    # A lone carriage return ends a line for Python, and not for detect_encoding.
    lines = io.BytesIO(re.sub(rb"\r\n?", b"\n", data))
    encoding, _ = tokenize.detect_encoding(lines.readline)
    text = data.decode(encoding)
    return Source(text, encoding, find_names(text))


def parse_source(source: Source, path: str) -> ParsedSource:
    """Parse as Python 3.6 would. Raises SyntaxError for what is wrong besides ``async``.

    The parser gets a placeholder in its place, of the same length so that every position in the
    tree is that of the file. Identifiers of a tree may be any text, reserved words too.
    """
    word = source.placeholder
    try:
        tree = ast.parse(replace_names(source.text, source.offsets, word), path)
    except SyntaxError as error:
        error.msg = error.msg.replace(word, ASYNC_NAME)
        error.text = error.text and error.text.replace(word, ASYNC_NAME)
        raise
    return ParsedSource(tree, sorted(set(_restore_name(tree, word))))


def compile_source(data: bytes, path: str) -> CodeType:
    """Compile source written for Python 3.6 or older as it is. Raises as ``compile`` does."""
    parsed = parse_source(read_source(data), path)
    return compile(parsed.tree, path, "exec", dont_inherit=True)


def _restore_name(tree: ast.AST, word: str) -> Iterator[int]:
    """Put ``async`` back where the placeholder is; yield the lines where it is in a string."""
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                value[:] = [ASYNC_NAME if item == word else item for item in value]
            elif isinstance(value, str) and word in value:
                setattr(node, field, value.replace(word, ASYNC_NAME))
                if type(node).__name__ in ("Constant", "Interpolation"):
                    yield node.lineno
