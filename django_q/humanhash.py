"""Make names that people can read and say from hexadecimal digests.

The scheme and its list of words are those of humanhash (Zachary Voase, public domain), with
the substitutions that Django Q made: a digest must keep the name it has always had.
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Iterable, Sequence
from typing import Any

DEFAULT_WORDLIST = tuple(
    """
ack alabama alanine alaska alpha angel apart april arizona arkansas artist asparagus aspen
august autumn avocado bacon bakerloo batman beer berlin beryllium black blossom blue
bluebird bravo bulldog burger butter california carbon cardinal carolina carpet cat ceiling
charlie chicken coffee cola cold colorado comet connecticut crazy cup dakota december
delaware delta diet don double early earth east echo edward eight eighteen eleven emma enemy
equal failed fanta fifteen fillet finch fish five fix floor florida football four fourteen
foxtrot freddie friend fruit gee georgia glucose golf green grey hamper happy harry hawaii
helium high hot hotel hydrogen idaho illinois india indigo ink iowa island item jersey jig
johnny juliet july jupiter kansas kentucky kilo king kitten lactose lake lamp lemon leopard
lima lion lithium london louisiana low magazine magnesium maine mango march mars maryland
massachusetts may mexico michigan mike minnesota mirror mississippi missouri mobile
mockingbird monkey montana moon mountain muppet music nebraska neptune network nevada nine
nineteen nitrogen north november nuts october ohio oklahoma one orange oranges oregon oscar
oven oxygen papa paris pasta pennsylvania pip pizza pluto potato princess purple quebec
queen quiet red river robert robin romeo rugby sad salami saturn september seven seventeen
shade sierra single sink six sixteen skylark snake social sodium solar south spaghetti
speaker spring stairway steak stream summer sweet table tango ten tennessee tennis texas
thirteen three timing triple twelve twenty two uncle undress uniform uranus utah vegan venus
vermont victor video violet virginia washington west whiskey white william winner winter
wisconsin wolfram wyoming xray yankee yellow zebra zulu
""".split()
)


class HumanHasher:
    """Turn hexadecimal digests into words of one list."""

    def __init__(self, wordlist: Sequence[str] = DEFAULT_WORDLIST) -> None:
        if len(wordlist) != 256:
            raise ValueError(f"A word list must have 256 words, got {len(wordlist)}.")
        self.wordlist = wordlist

    def humanize(self, hexdigest: str, words: int = 4, separator: str = "-") -> str:
        """Write a digest in ``words`` words; ``humanize("60ad8d0d871b6095808297")`` has four."""
        compressed = self.compress(bytes.fromhex(hexdigest), words)
        return separator.join([self.wordlist[byte] for byte in compressed])

    @staticmethod
    def compress(data: bytes | Iterable[int], target: int) -> list[int]:
        """Fold bytes into ``target`` bytes: equal segments, each combined by exclusive or.

        The last segment takes the remainder. Raises ``ValueError`` when there are too few.
        """
        data = bytes(data)
        size = len(data) // target
        if not size:
            raise ValueError(f"A digest for {target} words needs as many bytes, got {len(data)}.")
        # The first bytes of all segments are one number, their second bytes another.
        whole = size * target
        number = 0
        for place in range(size):
            number ^= int.from_bytes(data[place:whole:size], "big")
        words = list(number.to_bytes(target, "big"))
        for byte in data[whole:]:
            words[-1] ^= byte
        return words

    def uuid(self, **params: Any) -> tuple[str, str]:
        """Make a (name, 32 hexadecimal digits) pair from a new random UUID."""
        digest = uuid_module.uuid4().hex
        return self.humanize(digest, **params), digest


DEFAULT_HASHER = HumanHasher()
humanize = DEFAULT_HASHER.humanize
uuid = DEFAULT_HASHER.uuid
