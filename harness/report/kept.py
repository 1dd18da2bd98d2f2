"""The renderings that are files of the repository: results/matrix.md, results/badges/, parts of README.md.

`make render` writes them. `make render-check` says which are stale, so that continuous integration can fail.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import files, paths
from harness.errors import ResultsError
from harness.report import badges, record, tables
from harness.report.record import Record

Files = dict[Path, str]
"""What each file should hold."""


def all_files(records: Sequence[Record]) -> Files:
    """Everything that is made from results/. Raises ResultsError."""
    return {**results_files(records), **_readme(records)}


def results_files(records: Sequence[Record]) -> Files:
    """Those of results/ alone: what a run of all ports brings up to date by itself."""
    folder = record.results_dir()
    whole = badges.of_all(records)
    return {
        folder / "matrix.md": tables.matrix(records),
        **badge_files(records, folder / "badges"),
        folder / "badges" / "all.svg": whole.svg(),
        folder / "badges" / "all.json": whole.endpoint(),
    }


def badge_files(records: Sequence[Record], folder: Path) -> Files:
    return {
        folder / f"{record['port']}.{ending}": text
        for record in records
        for ending, text in (
            ("svg", badges.of_port(record).svg()),
            ("json", badges.of_port(record).endpoint()),
        )
    }


def write(wanted: Files) -> None:
    """Write what is not so already."""
    for path in stale(wanted):
        if path in wanted:
            files.write_whole(path, wanted[path])
        else:
            path.unlink()


def stale(wanted: Files) -> list[Path]:
    """The files that are missing, differ, or should not be there: badges of ports that have no record."""
    differing = [path for path, text in wanted.items() if _content(path) != text]
    folder = record.results_dir() / "badges"
    badge_ones = [path for path in folder.glob("*") if path.suffix in (".svg", ".json")]
    return differing + [path for path in sorted(badge_ones) if path not in wanted]


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _readme(records: Sequence[Record]) -> Files:
    path = paths.root() / "README.md"
    whole = badges.of_all(records)
    parts = {
        "badge": f"![{whole.label}: {whole.message}](results/badges/all.svg)\n",
        "ports": tables.ports(records),
        "bench": tables.bench(read_bench()),
    }
    return {path: fill(path, parts)}


def fill(path: Path, parts: dict[str, str]) -> str:
    """The file's text with each part between `<!-- name -->` and `<!-- /name -->`. Raises ResultsError."""
    text = _content(path)
    if text is None:
        raise ResultsError(f"{paths.shown(path)} cannot be read as UTF-8 text")
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise ResultsError(
                f"{paths.shown(path)} must hold the line '{begin.strip()}' and, below it, '{end}', each once",
                hint="what stands between them is written by make render",
            )
        before, after = text[: text.index(begin)], text[text.index(end) :]
        text = before + begin + part + after
    return text


def read_bench() -> dict[str, Any]:
    """results/bench.json. Raises ResultsError."""
    path = record.results_dir() / "bench.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and isinstance(found["ports"], list):
            return found
    except (OSError, ValueError, KeyError):
        pass
    raise ResultsError(f"{paths.shown(path)} is missing or not what make bench writes", hint="make bench")
