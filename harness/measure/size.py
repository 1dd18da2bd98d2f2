"""How much a port says, beside its lines: its tokens, and its bytes when compressed.

Lines depend on how a language is laid out, tokens less so, and what a compressor leaves least of all.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass

from pygments import lex
from pygments.lexers import get_lexer_for_filename, guess_lexer
from pygments.token import Comment
from pygments.util import ClassNotFound

from harness.build.manifest import Manifest

READ_AS = {".groovy": "x.java", ".fth": "x.frt"}
"""Its lexer of Groovy takes what lies between two divisions for a string; its Forth has other endings."""


@dataclass(frozen=True)
class Size:
    """Of a port's source files, beside the lines that its record counts.

    `tokens` leaves out white space and comments; None if a file's language is not known to Pygments.
    `compressed_bytes`: all files as one, by xz.
    """

    tokens: int | None
    compressed_bytes: int


def of_port(manifest: Manifest) -> Size:
    files = manifest.files()
    data = [manifest.read(inside) for inside in files]
    counts = [
        _tokens(inside.name, text.decode("utf-8", "replace"))
        for inside, text in zip(files, data, strict=True)
    ]
    known = [count for count in counts if count is not None]
    return Size(
        tokens=sum(known) if len(known) == len(counts) else None,
        compressed_bytes=len(lzma.compress(b"".join(data), preset=9)),
    )


def _tokens(name: str, text: str) -> int | None:
    name = next((known for ending, known in READ_AS.items() if name.endswith(ending)), name)
    try:
        lexer = guess_lexer(text) if text.startswith("#!") else get_lexer_for_filename(name, text)
    except ClassNotFound:
        return None
    return sum(Comment not in kind.split() and bool(value.strip()) for kind, value in lex(text, lexer))
