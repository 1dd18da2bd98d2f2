"""Which lines stay: the same cleaning for every dataset that comes from a package."""

import codecs
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

RUDE = re.compile(
    codecs.decode(
        r"\o(shpx|fuvg|phag|avttn|avttr|snttbg|snt(f)?\o|juber|fyhg|ovgpu|onfgneq|encr|encvfg|avc\o|puvax\o"
        r"|xvxr(f)?\o|fcvp(f)?\o|genaal|ergneq(rq)?\o|pbpxfhpx|gjng|jnax|cvff|nefrubyr|nffubyr|qlxr|tbbx|anmv|phz\o"
        r"|pbba(f)?\o|ubzb(f)?\o|cbea|erqfxva|fdhnj|tlcfl|abbfr)",
        "rot13",
    ),
    re.IGNORECASE,
)
"""Obscenities and slurs, by how a word begins. Turned by 13 letters, so that nobody has to read them."""


def clean(lines: Iterable[str]) -> list[str]:
    """NFC, white space folded, each line once, no empty line, none that is rude; in the order they came."""
    folded = (" ".join(unicodedata.normalize("NFC", line).split()) for line in lines)
    return [line for line in dict.fromkeys(folded) if line and not RUDE.search(line)]


def matching(pattern: str, lines: Iterable[str]) -> list[str]:
    return [line for line in lines if re.fullmatch(pattern, line)]


def sample(name: str, lines: Iterable[str], count: int) -> list[str]:
    """`count` of the lines: those whose SHA-256 together with the dataset's name is smallest."""

    def lot(line: str) -> bytes:
        return hashlib.sha256(f"{name}\n{line}".encode()).digest()

    return sorted(lines, key=lot)[:count]


def common_characters(lines: list[str], least: int) -> list[str]:
    """Drop each line with a character that occurs in fewer than `least` lines, until none is left."""
    while True:
        counts = Counter(character for line in lines for character in set(line))
        kept = [line for line in lines if all(counts[character] >= least for character in line)]
        if len(kept) == len(lines):
            return kept
        lines = kept
