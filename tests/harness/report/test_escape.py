"""Text from ports and contributors means nothing where it is shown: terminal, Markdown, XML."""

from __future__ import annotations

import io
import json
import unicodedata
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import records
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from harness.cli.progress import progress
from harness.errors import BuildFailed, ManifestError, PortCrashed
from harness.fleet import matrix
from harness.report import badges, escape, junit, record, store, summary, tables, terminal
from harness.report.history import trend
from harness.report.making import build_failure

HOSTILE = (
    "<!-- /ports -->",
    "```\n# title\n",
    "[/red]",
    "[bold]x[/bold] [link=file:///etc/passwd]y[/link]",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b2J",
    "\u202eltr\u2066",
    "a | b |\n| c",
    "[x](javascript:alert(1)) ![y](z)",
    "<script>alert(1)</script> &lt;",
    "]]> \x00 \ufffe \ud800",
    "</text></svg>",
    "$(id) `id` {{ 7 * 7 }} {% raw %}",
    "$x^2$ ~~x~~ __x__ *x* \\",
    "x" * 3000,
    "::set-output name=x::y\r\n\u2028\u2029\x85",
)
text = st.one_of(st.sampled_from(HOSTILE), st.text(), st.text(alphabet="`[]<>&|\\!-*_#$~/\n\x1b\x9b\u202e r"))


def hostile(check: Any) -> Any:
    for one in HOSTILE:
        check = example(one)(check)
    return settings(max_examples=60, deadline=None)(given(text)(check))


def controls(shown: str) -> set[str]:
    return {c for c in shown if c != "\n" and unicodedata.category(c)[0] == "C"}


@hostile
def test_a_terminal_shows_it_and_does_nothing(value: str) -> None:
    assert not controls(escape.plain(value)) and "\n" not in escape.plain(value)
    assert not controls(escape.plain(value, lines=True))


@hostile
def test_markdown_shows_it_and_does_nothing(value: str) -> None:
    value = value[:500]
    for form in ("{}", "**{}**", "| a |\n|---|\n| {} |"):
        reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
        tokens = reader.parse(form.format(escape.markdown(value)))
        inner = [child for token in tokens for child in token.children or ()]
        around = {child.type for child in inner} - {"text", "text_special", "strong_open", "strong_close"}
        assert not around, (value, around)
        shown = "".join(child.content for child in inner)
        if value.strip():
            assert escape.plain(value).strip() in shown.replace("\xa0", " ") or form.startswith("**")
        if "|" in form:
            assert sum(token.type == "td_open" for token in tokens) == 1
    assert "<!--" not in escape.markdown(value)


@hostile
def test_a_block_of_markdown_ends_where_it_should(value: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{escape.fenced(value)}\nafter\n")
    assert [token.type for token in tokens][:2] == ["fence", "paragraph_open"]
    assert tokens[0].content == escape.plain(value, lines=True) + "\n"


@hostile
def test_xml_can_hold_it(value: str) -> None:
    element = ET.Element("x", name=escape.xml(value))
    element.text = escape.xml(value)
    ET.fromstring(ET.tostring(element, encoding="utf-8"))


# ---------------------------------------------------------------- the reports


def poisoned(value: str) -> record.Record:
    """A record of a wrong port with this text wherever a port or a contributor has the word."""
    fault = PortCrashed(value, hint=value, log=(value, value))
    made = records.made({"backward/1": "disagrees", "graph/0": "crashed"}, fault=fault)
    off = replace(
        records.OFF, kind="text", checkpoint=value, expected=value, got=value, asked=value, bound=value
    )
    levels = []
    for level in made.levels:
        failures = tuple(
            msgspec.structs.replace(case, difference=off if case.difference else None)
            for case in level.failures
        )
        levels.append(msgspec.structs.replace(level, failures=failures))
    return msgspec.structs.replace(
        made,
        language=value,
        notes=(value,),
        build=msgspec.structs.replace(made.build, toolchain=value),
        machine=msgspec.structs.replace(made.machine, processor=value),
        levels=tuple(levels),
        diagnosis=(record.DiagnosisRecord("backward/x", (value,), value),),
    )


def unbuilt(value: str) -> record.Record:
    fault = BuildFailed(value, command=value, hint=value, log=(value,))
    return build_failure(records.manifest(), fault, "docker", records.RAN)


def printed(*shown: Any) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=120)
    for one in shown:
        one(console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("make", [poisoned, unbuilt])
def test_every_report_of_a_record_holds(make: Any, value: str, tmp_path: Path) -> None:
    found = make(value)
    out = printed(
        lambda console: terminal.show(found, console),
        lambda console: matrix.show([matrix.Row(found.port, found)], console),
        lambda console: console.print(terminal.error_text(PortCrashed(value, hint=value, log=(value,)))),
        lambda console: matrix.show(
            [matrix.Row(value[:50], None, fault=ManifestError(value, hint=value))], console
        ),
    )
    assert not controls(out)
    assert len(out) < 1_500_000
    for rendered in (summary.summary([found]), tables.matrix([found])):
        assert not controls(rendered)
        readers = MarkdownIt("commonmark", {"html": True}).enable("table").parse(rendered)
        kinds = {token.type for token in readers} | {c.type for t in readers for c in t.children or ()}
        assert not kinds & {"html_block", "html_inline"}, kinds
        headings = [t.content for i, t in enumerate(readers) if i and readers[i - 1].type == "heading_open"]
        assert not [heading for heading in headings if heading == "title"]
    ET.fromstring(junit.junit([found]))
    ET.fromstring(badges.of_port(found).svg())
    json.loads(badges.of_port(found).endpoint())
    lines = [trend.line_of(found, None)]
    assert not controls(printed(lambda console: console.print(trend.table(found.port, lines))))


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_a_progress_bar_outlives_what_a_build_prints(value: str) -> None:
    """What is shown last is shown for certain."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with progress(console, 3) as listener_for:
        listener_for("lua").building(value)


@pytest.mark.parametrize(
    "content", ["null", "[]", "3", '"x"', "[" * 100_000, "9" * 5000, '{"port": null}', ""]
)
def test_a_file_that_holds_no_record_is_said_and_passed_over(content: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"lua\.json"):
        record.parse(content, "lua.json")
    (tmp_path / "lua.json").write_text(content)
    with pytest.raises(ManifestError):
        store.read(tmp_path / "lua.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", "../../x"), ("port", "[x](y)"), ("outcome", "<b>"), ("engine", "`x`"), ("runner", "x|y")],
)
def test_what_names_files_and_commands_holds_nothing_else(key: str, value: str) -> None:
    content = json.loads(record.text_of(records.made()))
    with pytest.raises(ManifestError, match=key):
        record.parse(json.dumps({**content, key: value}), "x.json")


def test_long_texts_are_cut_in_records() -> None:
    found = records.made({"graph/0": "crashed"}, fault=PortCrashed("x" * 60_000, log=["y" * 60_000] * 1000))
    assert len(record.text_of(found)) < 100_000


@pytest.mark.parametrize("name", ["a b", "a;id", "$(id)", "a'b"])
def test_commands_that_repeat_quote_what_they_name(name: str) -> None:
    import shlex

    from harness.cli.run import _repeat

    command = _repeat(Path("/tmp") / name, None, "local")
    assert shlex.split(command)[3] == f"/tmp/{name}"
