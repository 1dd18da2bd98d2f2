"""A port's files as highlighted HTML. The colours are the style sheet's."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.token import Comment, Keyword, Literal, Name, _TokenType
from pygments.util import ClassNotFound

from harness.build.manifest import Manifest

STYLES = (
    (Comment, "comment"),
    (Keyword, "keyword"),
    (Literal.String, "string"),
    (Literal.Number, "number"),
    (Name.Function, "name"),
    (Name.Class, "name"),
)
"""What is coloured at all: fewer colours read better, and the pages stay small."""


@cache
def _style(kind: _TokenType) -> str | None:
    return next((style for family, style in STYLES if kind[: len(family)] == family), None)


@dataclass(frozen=True)
class SourceFile:
    """`name` is the path in the port's folder; `lines` are highlighted one by one."""

    name: str
    lines: tuple[Markup, ...]


def source_files(port: Manifest) -> list[SourceFile]:
    """The port's files that are text, the manifest first."""
    found = []
    for path in ("port.yaml", *map(str, port.files())):
        data = port.read(path)
        if b"\0" not in data:
            found.append(SourceFile(path, highlighted(path, data.decode("utf-8", errors="replace"))))
    return found


@cache
def highlighted(name: str, text: str) -> tuple[Markup, ...]:
    """One piece of HTML for each line."""
    try:
        lexer = get_lexer_for_filename(name, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    lines: list[list[str]] = [[]]
    for kind, piece in lexer.get_tokens(text):
        style = _style(kind)
        for number, part in enumerate(piece.split("\n")):
            if number:
                lines.append([])
            if part:
                shown = html.escape(part)
                lines[-1].append(f'<i class="{style}">{shown}</i>' if style else shown)
    return tuple(Markup("".join(line)) for line in (lines[:-1] if not lines[-1] else lines))
