"""What each page shows, computed from the results. How it looks is up to templates and style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conformance import ladder, verbs
from harness.build import images, manifest
from harness.build.manifest import Manifest
from harness.judge.check import goldens as stored_goldens
from harness.report import badges, marks, terminal, words
from harness.report.escape import plain
from harness.report.record import LevelRecord, Record
from harness.report.site import (
    bits,
    browser,
    checker,
    documents,
    garden,
    harvest,
    languages,
    lattices,
    lesson,
    measured,
    strata,
    training,
)
from harness.report.site.data import Example, Json, Results
from harness.report.site.source_view import SourceFile, highlighted, source_files

MISTAKEN_FILE = "microgpt.py"
ORIGINAL = "https://gist.github.com/karpathy/8627fe009c40f57531cb18360106ce95"


@dataclass(frozen=True)
class Page:
    """One page: its path in the site, its template, and what the template is given."""

    path: str
    template: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One level of one port. `rank` orders cells: the share of cases that agree. Not `asked`: no result."""

    sign: str
    style: str
    words: str
    rank: float
    asked: bool = True


@dataclass(frozen=True)
class Row:
    """One port in the matrix; None stands for what is not known."""

    port: str
    language: str
    family: str
    toolchain: str
    style: str
    verdict: str
    outcome: str
    reached: int | None
    cells: tuple[Cell, ...]
    microseconds: float | None
    memory: float | None
    image: float | None
    lines: int | None


def cell(level: LevelRecord) -> Cell:
    look = words.of_level(level)
    said = f"{look.words}, {level.agreed} of {level.cases}"
    if level.worst_ulps:
        said += f", {words.distance(level.worst_ulps)} at most"
    return Cell(look.sign, look.kind, said, level.agreed / max(1, level.cases))


MISSING = Cell("·", "todo", "no result", -1.0, asked=False)


def verdict(record: Record | None) -> tuple[str, str, str]:
    """A port's verdict as (style, words, outcome for the filter)."""
    if record is None:
        return "todo", "never run", "not run"
    badge = badges.of_port(record)
    style = {badges.GREEN: "ok", badges.RED: "bad"}.get(badge.color, "part")
    return style, badge.message, "conforms" if record.conforms else "does not conform"


def row(port: str, results: Results) -> Row:
    record, speed = results.records.get(port), results.speed(port)
    levels = {level.level: level for level in record.levels} if record else {}
    style, said, outcome = verdict(record)
    loaded = manifest.load(port) if record is None else None
    family = record.family if record else loaded.family if loaded else None
    size = record.size if record else None
    return Row(
        port=port,
        language=plain(record.language if record else loaded.language if loaded else port),
        family=family or "",
        toolchain=plain(record.build.toolchain) if record else "",
        style=style,
        verdict=said,
        outcome=outcome,
        reached=record.reached_level if record else None,
        cells=tuple(
            cell(levels[number]) if number in levels else MISSING for number in range(1, verbs.TOP + 1)
        ),
        microseconds=speed["step_microseconds"] if speed else None,
        memory=speed["peak_mib"] if speed else None,
        image=size.image_bytes / 1e6 if size and size.image_bytes else None,
        lines=size.lines if size else None,
    )


def divergence(record: Record) -> dict[str, Any] | None:
    """The first divergence or fault of a record, ready to be shown; None if there is none."""
    failure = record.first_failure
    if failure is None:
        return None
    level, case = failure
    finding = record.finding
    shown = finding.difference if finding else case.difference
    return {
        "level": level,
        "case": case,
        "finding": finding,
        "difference": shown,
        "pair": bits.pair(shown) if shown and shown.kind == "value" else None,
        "trail": bits.trail(record.trail) if record.trail else None,
        "said": bits.likely_words(record),
        "mistakes": sorted(
            {name for one in record.diagnosis for names in one.variants for name in names.split(" + ")}
        ),
        "smallest": smallest(record),
        "repeat": f"{terminal.make_command(record)} CASE={case.case}",
    }


def smallest(record: Record) -> dict[str, Any] | None:
    """The smallest request found that fails the same way, ready to be shown; None if there is none."""
    found = record.smallest
    if found is None:
        return None
    shown = found.difference
    clues = [clue for clue in found.clues if clue not in record.clues]
    return {
        "words": found.words,
        "difference": shown,
        "pair": bits.pair(shown) if shown.kind == "value" else None,
        "clues": clues,
        "request": found.request,
    }


def index(results: Results) -> Page:
    rows = sorted((row(port, results) for port in results.ports), key=lambda row: (row.family, row.port))
    records = results.records.values()
    wrong = results.example.record
    return Page(
        "index.html",
        "index.html",
        {
            "rows": rows,
            "verbs": verbs.VERBS,
            "original": ORIGINAL,
            "legend": [
                words.LOOKS[name] for name in ("agrees", "tolerance", "disagrees", "known", "unsupported")
            ],
            "conforming": sum(row.outcome == "conforms" for row in rows),
            "cases": max((r.cases for r in records), default=0),
            "compared": max((r.values for r in records), default=0),
            "wrong": divergence(wrong),
        },
    )


def port(name: str, results: Results) -> Page:
    record = results.records.get(name)
    loaded, sources, dockerfile = _port_files(name)
    return Page(
        f"ports/{name}.html",
        "port.html",
        {
            "row": row(name, results),
            "record": record,
            "sentence": terminal.sentence(record) if record else f"{name} was never run",
            "divergence": divergence(record) if record else None,
            "marks": marks.mark_lines(record) if record else [],
            "speed": results.speed(name),
            "bench": results.bench,
            "accuracy": measured.accuracy(results.accuracy[name]) if name in results.accuracy else None,
            "history": results.history.get(name, []),
            "trends": measured.trends(results.history.get(name, [])),
            "manifest": loaded,
            "dockerfile": dockerfile,
            "sources": sources,
            "changed": changed_since(loaded, record),
            "soil": loaded.soil if loaded else (),
            "asked": languages.note_keys(),
        },
    )


def source(name: str, file: SourceFile) -> Page:
    """One of a port's files, every line a place of its own."""
    return Page(f"ports/{name}/{file.name}.html", "source.html", {"port": name, "file": file})


def language_page() -> Page:
    values = {"soils": languages.soils(), "asked": languages.note_keys(), "undone": languages.undone()}
    return Page("languages.html", "languages.html", values)


def document(found: documents.Document) -> Page:
    return Page(found.path, "document.html", {"title": found.title, "text": found.text})


def _port_files(name: str) -> tuple[Manifest | None, list[SourceFile], SourceFile | None]:
    """A port's manifest, files and Dockerfile, as far as they are still there."""
    if name not in manifest.known_ports():
        return None, [], None
    loaded = manifest.load(name)
    lines = highlighted("Dockerfile", images.dockerfile(loaded))
    return loaded, source_files(loaded), SourceFile("Dockerfile", lines)


def changed_since(loaded: Manifest | None, record: Record | None) -> bool:
    """Whether the port's files are no more those that were judged, as far as this can be known."""
    if loaded is None or record is None or not record.build.base:
        return False
    return images.content_hash(loaded, record.build.base) != str(record.build.hash)


def wrong_port(example: Example) -> Page:
    record = example.record
    found = divergence(record)
    assert found is not None, "the example agrees everywhere now: choose another mistake"
    return Page(
        "example.html",
        "example.html",
        {
            "record": record,
            "divergence": {**found, "repeat": None},
            "file": MISTAKEN_FILE,
            "right": highlighted(MISTAKEN_FILE, example.right),
            "wrong": highlighted(MISTAKEN_FILE, example.wrong),
        },
    )


def browser_page(goldens: Sequence[browser.Golden]) -> Page:
    levels = [
        {
            "number": number,
            "verb": verb,
            "usual": next(golden for golden in goldens if golden.verb == verb and not golden.long),
            "long": next((golden for golden in goldens if golden.verb == verb and golden.long), None),
        }
        for number, verb in enumerate(verbs.NAMES, start=1)
    ]
    megabytes = sum(len(golden.script) for golden in goldens if not golden.long) / 1e6
    return Page(
        "browser.html",
        "browser.html",
        {"levels": levels, "megabytes": megabytes, "modules": browser.MODULES, "suite": suite_name()},
    )


EXAMPLES = {"no-bias-correction": "without Adam's bias correction", "summed-loss": "that sums its loss"}
"""Known mistakes whose log the page offers to somebody who has none."""


def check_page() -> Page:
    """Every number is that of the goldens and scripts that the page loads."""
    stored = checker.data()["runs"]
    worker, goldens = (len(text) / 1000 for text in (checker.worker_script(), checker.data_script()))
    return Page(
        "check.html",
        "check.html",
        {
            "presets": list(dict.fromkeys(run["preset"] for run in stored)),
            "datasets": list(dict.fromkeys(run["dataset"] for run in stored)),
            "examples": list(EXAMPLES.items()),
            "mistakes": len({name for run in stored for name in run["replays"]}),
            "seeds": min(run["chances"]["seeds"] for run in stored),
            "kilobytes": round(worker + goldens),
            "goldens": round(goldens),
            "worker": round(worker),
        },
    )


def train_page() -> Page:
    classic = next(one for one in stored_goldens.stored() if one.preset == "classic")
    return Page(
        "train.html",
        "train.html",
        {
            "parameters": classic.parameters,
            "steps": len(training.golden_steps().splitlines()),
            "every": training.DRAWS_EVERY,
            "products": training.PRODUCTS,
            "mistakes": training.mistakes(),
        },
    )


def lesson_page() -> Page:
    values = {"examples": lesson.EXAMPLES, "parts": lesson.PARTS, "engine": lesson.shown()}
    return Page("lesson.html", "lesson.html", values)


def suite_name() -> str:
    return ladder.content_hash(ladder.levels())[:12]


def mistakes(results: Results) -> Page:
    """The catalogue of known mistakes, area by area."""
    areas: dict[str, list[Json]] = {}
    for mutant in results.mutants["mutants"] if results.mutants else []:
        areas.setdefault(mutant["area"], []).append(mutant)
    listed = [mutant for area in areas.values() for mutant in area]
    return Page(
        "mistakes.html",
        "mistakes.html",
        {
            "areas": areas,
            "count": len(listed),
            "caught": sum(mutant["level"] is not None for mutant in listed),
            "verbs": verbs.NAMES,
        },
    )


def laws(results: Results) -> Page:
    """The ledger: flow by flow, each law with the line of code and the mistakes that break it."""
    found = results.laws or {"flows": [], "laws": [], "mutants": {}, "planted": []}
    planted = {one["name"]: one["laws"] for one in found["planted"]}
    broken_by: dict[str, list[str]] = {}
    for mutant, names in {**found["mutants"], **planted}.items():
        for name in names:
            broken_by.setdefault(name, []).append(mutant)
    return Page(
        "laws.html",
        "laws.html",
        {
            "flows": {flow: [law for law in found["laws"] if law["flow"] == flow] for flow in found["flows"]},
            "assertions": sum(law["assertions"] for law in found["laws"]),
            "broken_by": broken_by,
            "planted": found["planted"],
            "asked": len(found["mutants"]),
            "caught": sum(map(bool, found["mutants"].values())),
            "missed": [mutant for mutant, broken in found["mutants"].items() if not broken],
        },
    )


def all_pages(results: Results, goldens: Sequence[browser.Golden]) -> list[Page]:
    return [
        index(results),
        wrong_port(results.example),
        check_page(),
        train_page(),
        lesson_page(),
        browser_page(goldens),
        Page("measurements.html", "measurements.html", measured.values(results)),
        mistakes(results),
        laws(results),
        Page("garden.html", "garden.html", garden.values(results.garden)),
        Page("archaeology.html", "archaeology.html", strata.values(results.archaeology)),
        Page("seed_quality.html", "seed_quality.html", harvest.values(results.seed_quality)),
        Page("hexagons.html", "hexagons.html", lattices.values(results.hexagons)),
        language_page(),
        *map(document, documents.documents()),
        *(port(name, results) for name in results.ports),
        *(source(name, file) for name in results.ports for file in _port_files(name)[1]),
    ]
