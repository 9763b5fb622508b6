"""Find the places in source where ``async`` is a name: the lexical half of the translator.

A scanner of its own rather than ``tokenize``, so that every Python reads a file the same way:
before 3.12 ``tokenize`` takes an f-string for one string, from 3.12 on it refuses sources that
the earlier ones read.
"""

import keyword
import re
from collections.abc import Iterator
from typing import NamedTuple

ASYNC_NAME = "async"

# A byte that is not ASCII can only be part of a name, outside of strings and comments.
_LETTER = r"A-Za-z_\x80-\U0010ffff"
_TOKEN = re.compile(
    rf"""
    (?P<skip>     [ \t\f]+ | \\(?:\r\n|\r|\n) | \#[^\r\n]* )
  | (?P<string>   (?P<prefix> [fFtT][rR]? | [rR][fFtTbB]? | [bB][rR]? | [uU] )?
                  (?P<quote> '''|\"\"\"|'|\" ) )
  | (?P<word>     [{_LETTER}][0-9{_LETTER}]* )
  | (?P<number>   (?: 0[xX][0-9a-fA-F_]* | [0-9][0-9_]*\.?[0-9_]* | \.[0-9][0-9_]* )
                  (?: [eE][+-]?[0-9_]+ )? [{_LETTER}]* )
  | (?P<ellipsis> \.\.\. )
  | (?P<newline>  \r\n | \r | \n )
  | (?P<sign>     != | . )
    """,
    re.VERBOSE | re.DOTALL,
)
#: The rest of a string, behind its opening quote.
_STRING_REST = {
    quote: re.compile(rf"(?s)[^\\{ends}]*(?:(?:{other}\\(?:\r\n|.))[^\\{ends}]*)*{quote}")
    for quote, ends, other in (
        ("'", r"'\r\n", ""),
        ('"', r'"\r\n', ""),
        ("'''", "'", "'(?!'')|"),
        ('"""', '"', '"(?!"")|'),
    )
}
#: Pieces of the text of an f-string. A backslash before a brace doesn't escape it.
_FSTRING_PIECE = re.compile(r"(?s)\\N\{[^}]*\}|\\(?:\r\n|[^{}])|[^\\{}'\"\r\n]+|.")
_CONVERSION = re.compile(r"[^:}]*[:}]?")

_OPERAND_KINDS = ("string", "number", "ellipsis")


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    depth: int = 0  #: of brackets around it


def find_names(text: str) -> list[int]:
    """List the offsets at which the word ``async`` is a name and not the keyword."""
    if ASYNC_NAME not in text:
        return []
    edge = Token("newline", "", 0)
    tokens = [edge, *_significant(text), edge]
    return [
        token.start
        for before, token, behind in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if token.text == ASYNC_NAME
        and token.kind == "word"
        and not _is_keyword(before, token, behind)
    ]


def replace_names(text: str, offsets: list[int], name: str) -> str:
    """Put another name where ``find_names`` has found ``async``."""
    ends = [0, *(offset + len(ASYNC_NAME) for offset in offsets)]
    return name.join(text[end:start] for end, start in zip(ends, [*offsets, None], strict=True))


def _is_keyword(before: Token, token: Token, behind: Token) -> bool:
    if behind.text == "for" and token.depth:
        # [x async for x in y] is the keyword, [async for x in y] is an element of that name.
        return _ends_operand(before)
    return behind.text in ("def", "with", "for")


def _ends_operand(token: Token) -> bool:
    if token.kind == "word":
        return not keyword.iskeyword(token.text) or token.text in (
            "None",
            "True",
            "False",
            ASYNC_NAME,
        )
    return token.kind in _OPERAND_KINDS or token.text in (")", "]", "}")


def _significant(text: str) -> Iterator[Token]:
    """Leave out the line ends within brackets, which end no statement."""
    depth = 0
    for token in _code(text, 0):
        depth = max(0, depth + _nesting(token))
        if token.kind != "newline" or not depth:
            yield token._replace(depth=depth)


def _nesting(token: Token) -> int:
    if token.kind != "sign":
        return 0
    return (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))


def _code(text: str, position: int, *, in_field: bool = False) -> Iterator[Token]:
    """Yield the tokens of code; return where it ends.

    Code in a replacement field ends behind the ``}``, ``!`` or ``:`` that belongs to the field.
    """
    depth = 0
    while match := _TOKEN.match(text, position):
        kind, position = match.lastgroup, match.end()
        token = Token(kind, match[0], match.start())
        if kind == "string":
            position = yield from _string(text, match)
        if in_field and not depth and kind == "sign" and match[0] in ("}", "!", ":"):
            return position
        depth += _nesting(token)
        if kind != "skip":
            yield token
    return len(text)


def _string(text: str, opening: re.Match) -> Iterator[Token]:
    """Yield the tokens of the code that is in a string, if any; return where the string ends."""
    prefix = (opening["prefix"] or "").lower()
    if "f" in prefix or "t" in prefix:
        return (yield from _formatted(text, opening.end(), opening["quote"], raw="r" in prefix))
    rest = _STRING_REST[opening["quote"]].match(text, opening.end())
    return rest.end() if rest else len(text)


def _formatted(
    text: str, position: int, quote: str, *, raw: bool, in_format: bool = False
) -> Iterator[Token]:
    """Yield the tokens in the replacement fields of an f-string; return where it ends.

    With ``in_format``, the same for the format of a field, which ends behind its ``}``.
    """
    while match := _FSTRING_PIECE.match(text, position):
        piece, start, position = match[0], match.start(), match.end()
        if raw and piece.startswith("\\N{"):
            position = start + 2
        elif text.startswith(quote, start):
            return len(text) if in_format else start + len(quote)
        elif piece in "\r\n" and len(quote) == 1:
            break
        elif piece == "}" and in_format:
            return position
        elif piece in "{}" and text.startswith(piece, position) and not in_format:
            position += 1
        elif piece == "{":
            position = yield from _field(text, position, quote, raw=raw)
    return len(text)


def _field(text: str, position: int, quote: str, *, raw: bool) -> Iterator[Token]:
    """Yield the tokens of a replacement field between braces; return where it ends."""
    yield Token("sign", "{", position - 1)
    position = yield from _code(text, position, in_field=True)
    if text[position - 1] == "!":
        position = _CONVERSION.match(text, position).end()
    if text[position - 1] == ":":
        position = yield from _formatted(text, position, quote, raw=raw, in_format=True)
    yield Token("sign", "}", position - 1)
    return position
