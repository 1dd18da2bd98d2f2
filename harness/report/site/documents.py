"""The project's documents as pages of the site: SPEC, GUIDE and what docs/ holds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from harness import paths

DOCUMENTS = {
    "conformance/GUIDE.md": "docs/guide.html",
    "conformance/SPEC.md": "docs/spec.html",
    "docs/CHECK.md": "docs/check.html",
    "docs/OUTPUTS.md": "docs/outputs.html",
    "docs/pytorch/README.md": "docs/pytorch.html",
    "docs/AGENTS.md": "docs/agents.html",
    "docs/JUDGING.md": "docs/judging.html",
    "docs/TRUST.md": "docs/trust.html",
    "docs/CI.md": "docs/ci.html",
    "reference/EXACT.md": "docs/exact.html",
}
"""Path in the project, and in the site."""


@dataclass(frozen=True)
class Document:
    """One document: its path in the site, its title, and its text as HTML."""

    path: str
    title: str
    text: Markup


def documents() -> Iterator[Document]:
    for source, path in DOCUMENTS.items():
        title, text = _rendered(source)
        yield Document(path, title, text)


@cache
def _rendered(source: str) -> tuple[str, Markup]:
    """Title and HTML. Links to other documents lead to their pages; those to files that the site does not
    have become plain text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    text = (paths.root() / source).read_text(encoding="utf-8")
    tokens = markdown.parse(re.sub(r"^<!-- .*? -->\n", "", text, flags=re.MULTILINE))
    title = ""
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[index + 1].content
            token.attrSet("id", slug(heading))
            title = title or heading
        if token.type == "fence":
            token.info = ""
        if token.attrs.pop("style", None) == "text-align:right":
            token.attrSet("class", "n")
        _lead(token.children or [], source)
    html = markdown.renderer.render(tokens, markdown.options, {})
    html = re.sub(r"<th( class=\"n\")?></th>", "<td></td>", html)
    html = html.replace("<pre>", '<pre class="log" tabindex="0">')
    html = html.replace("<table>", '<div class="scroll" tabindex="0"><table class="plain prose">')
    return title.replace("`", ""), Markup(html.replace("</table>", "</table></div>"))


def slug(heading: str) -> str:
    """The name of a heading's place, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _lead(inline: list[Token], source: str) -> None:
    """Make each link of a paragraph lead to a page of the site."""
    dropped = 0
    for token in inline:
        if token.type == "link_open":
            target = leads_to(str(token.attrGet("href")), source)
            if target is None:
                dropped += 1
                token.type, token.tag, token.nesting, token.content = "text", "", 0, ""
            else:
                token.attrSet("href", target)
        elif token.type == "link_close" and dropped:
            dropped -= 1
            token.type, token.tag, token.nesting, token.content = "text", "", 0, ""


def leads_to(link: str, source: str) -> str | None:
    """Where a link of a document leads in the site, as seen from its page; None if it has no such place."""
    parts = urlsplit(link)
    if parts.scheme:
        return link
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    if not parts.path:
        return fragment
    inside = os.path.normpath(PurePosixPath(source).parent / parts.path)
    page = DOCUMENTS.get(inside)
    return os.path.relpath(page, "docs") + fragment if page else None
