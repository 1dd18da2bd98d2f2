"""Text that a port or a contributor wrote, made safe for each place where it is shown. One function a place.

Nothing from outside reaches a report by another way: `tests/harness/report/test_escape.py` tries them on
everything that has meant something to somebody.
"""

from __future__ import annotations

import re
import unicodedata

_XML_FORBIDS = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str, lines: bool = False) -> str:
    """For a terminal: no control or formatting character (escape sequences, direction marks, titles).

    `lines` keeps line feeds.
    """
    kept = "\n" if lines else ""
    return "".join(
        c if c in kept or unicodedata.category(c)[0] not in "CZ" or c == " " else "�" for c in text
    )


def markdown(text: str) -> str:
    """For one line of Markdown, a table's cell too: nothing in it is markup, no comment can begin."""
    safe = re.sub(r"([\\`*_{}\[\]()#+!|~>$-])", r"\\\1", plain(text))
    return safe.replace("&", "&amp;").replace("<", "&lt;")


def code(text: str) -> str:
    """Inline code in Markdown, in a table's cell too."""
    return "`" + plain(text).replace("`", "'").replace("|", "\\|") + "`"


def fenced(text: str) -> str:
    """A Markdown code block whose fence is longer than any row of backticks in the text."""
    longest = max((len(row) for row in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{plain(text, lines=True)}\n{fence}\n"


def xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold. Escaping them is the writer's business."""
    return _XML_FORBIDS.sub("�", text)
