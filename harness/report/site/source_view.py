"""A port's files as highlighted HTML. The colours are the style sheet's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from markupsafe import Markup, escape
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


def _is(kind: _TokenType, family: _TokenType) -> bool:
    return kind[: len(family)] == family


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
    lines = [Markup("")]
    for kind, piece in lexer.get_tokens(text):
        style = next((style for family, style in STYLES if _is(kind, family)), None)
        for number, part in enumerate(piece.split("\n")):
            if number:
                lines.append(Markup(""))
            if part:
                lines[-1] += Markup('<i class="{}">{}</i>').format(style, part) if style else escape(part)
    return tuple(lines[:-1] if not lines[-1] else lines)
