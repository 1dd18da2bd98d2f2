"""The command `conform archaeology`: how microgpt relates to the repositories before it, in figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from harness import paths
from harness.cli.progress import telling
from harness.cli.shared import ERR, OUT, note
from science.archaeology import clones, dig, presets


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of clones, each named like its repository. Without it, only the presets are compared.",
)
@click.option("--fetch", is_flag=True, help="Clone what is missing there from GitHub first.")
@click.option("--check", is_flag=True, help="Write nothing; fail if the figures are not those that are kept.")
def archaeology(folder: Path | None, fetch: bool, check: bool) -> None:
    """Measure micrograd, minGPT, makemore, nanoGPT, minbpe, llm.c, nanochat and microgpt at pinned commits.

    Sizes, dependencies, distances, where each has which of some fifty concepts, the versions of microgpt's
    gist, and what every difference of its two presets does to loss and samples. The figures are kept in
    results/science/archaeology.json.

    \b
    conform archaeology --fetch --folder ~/clones     clone first, about 100 MB
    conform archaeology --folder ~/clones             about a minute of one core
    conform archaeology                               the presets alone, about half a minute
    """
    if fetch and folder is None:
        raise click.UsageError("--fetch needs the folder to clone into: --folder DIR")
    kept = dig.load()
    found = dict(kept)
    with telling(ERR) as told:
        if folder is not None:
            if fetch:
                dig.fetch(folder, told)
            found |= dig.dig(folder, told)
        found["presets"] = presets.measure(told)
    if "repositories" in found:
        _sizes(found)
        _gist(found["gist"])
        _steps(found)
        _concepts(found)
    _presets(found["presets"])
    if check:
        if dig.text_of(found) != dig.text_of(kept):
            raise clones.DigError(
                f"the figures in {paths.shown(dig.file())} are others",
                hint="conform archaeology --folder DIR",
            )
        note(f"the same figures as in {paths.shown(dig.file())}")
        return
    note(f"kept in {paths.shown(dig.save(found))}")


def _table(title: str, *heads: str) -> Table:
    """The first column holds words, the others numbers."""
    table = Table(title=title, box=None, padding=(0, 2), title_justify="left")
    table.add_column(heads[0])
    for head in heads[1:]:
        table.add_column(head, justify="right")
    return table


def _sizes(found: dict[str, Any]) -> None:
    heads = (
        "first",
        "last",
        "commits",
        "files",
        "code",
        "comments",
        "tokens",
        "names",
        "defs",
        "needs",
        "KB",
        "xz KB",
    )
    table = _table("Repositories: their source, Python and C", "repository", *heads)
    for row in found["repositories"]:
        source = row["source"]
        table.add_row(
            escape(row["name"]),
            row["first"] or "",
            row["last"] or "",
            "" if row["commits"] is None else f"{row['commits']:,}",
            *(f"{source[key]:,}" for key in ("files", "code", "comments", "tokens")),
            f"{row['identifiers']:,}",
            f"{row['definitions']:,}",
            f"{len(row['dependencies'])}",
            f"{row['bytes'] / 1000:,.1f}",
            f"{row['compressed'] / 1000:,.1f}",
        )
    OUT.print(table)


def _gist(versions: list[dict[str, Any]]) -> None:
    heads = ("day", "lines", "code", "tokens", "names", "defs", "bytes", "xz", "new text")
    table = _table("\nVersions of microgpt's gist", "version", *heads)
    for row in versions:
        table.add_row(
            escape(row["name"]),
            row["day"],
            *(f"{row['lines']}", f"{row['source']['code']}", f"{row['source']['tokens']:,}"),
            *(f"{row['identifiers']}", f"{row['definitions']}"),
            *(f"{row['bytes']:,}", f"{row['compressed']:,}"),
            "" if row["new_text"] is None else f"{row['new_text']:.0%}",
        )
    OUT.print(table)


def _steps(found: dict[str, Any]) -> None:
    table = _table(
        "\nIs each a compression of the one before?", "step", "size", "concepts kept", "new text", ""
    )
    for step in (*found["steps"], *found["descent"]):
        table.add_row(
            escape(f"{step['before']} to {step['after']}"),
            f"{step['size']:.2f}x",
            f"{step['kept']} of {step['had']}",
            f"{step['new_text']:.0%}",
            "yes" if step["compression"] else "no",
        )
    OUT.print(table)


def _concepts(found: dict[str, Any]) -> None:
    names = [row["name"] for row in found["repositories"]]
    table = _table("\nConcepts: in how many lines", "concept", *names)
    for concept in found["concepts"]:
        places = concept["places"]
        lines = [str(places[n]["last"] - places[n]["first"] + 1) if n in places else "·" for n in names]
        table.add_row(escape(concept["name"]), *lines, style="" if concept["lives"] else "dim")
    OUT.print(table)


def _presets(found: dict[str, Any]) -> None:
    title = f"\nmicrogpt's presets: mean loss of the last {found['end']} of {found['steps']} steps"
    table = _table(title, "from", "switched", "loss", "difference", "95 %", "loss is")
    title = f"\nOf {found['drawn']} samples a seed; after a comma, what may be claimed of the difference"
    samples = _table(title, "from", "switched", *presets.OF_SAMPLES)
    for row in found["trials"]:
        is_start = not row["switched"]
        names = (row["start"], row["switched"] or "nothing")
        table.add_row(
            *names,
            f"{row['mean']:.4f}",
            "" if is_start else f"{row['difference']:+.4f}",
            "" if is_start else f"{row['low']:+.4f}..{row['high']:+.4f}",
            "" if is_start else row["verdict"],
        )
        samples.add_row(*names, *(_claimed(one) for one in row["of_samples"].values()))
    OUT.print(table)
    OUT.print(samples)


def _claimed(one: dict[str, Any]) -> str:
    text = f"{one['mean']:.3f}"
    return text if one["verdict"] == "no claim" else f"{text}, {one['verdict']}"
