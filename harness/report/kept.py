"""The renderings that are files of the repository: results/matrix.md, results/speed.md, results/badges/,
and the picture in README.

`make render` writes them from the published records. `make render-check` says which are stale. They are
merged line by line (.gitattributes), so the order of matrix.md's lines does not count.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import files, paths
from harness.errors import ResultsError
from harness.judge.check import verdict
from harness.report import badges, others, record, store, tables, terminal
from harness.report.record import Record

PICTURED = "c"
"""The port whose report README shows."""
Files = dict[Path, str]
"""What each file should hold."""


def all_files(records: Sequence[Record]) -> Files:
    """Everything that is made from results/published/. Raises ResultsError."""
    folder = paths.results_dir()
    whole = badges.of_all(records)
    bench = _bench(store.published() / "bench.json")
    return {
        folder / "matrix.md": tables.matrix(records),
        **({folder / "speed.md": tables.speed(bench, records)} if bench else {}),
        **others.rendered(),
        **badge_files(records, folder / "badges"),
        folder / "badges" / "all.svg": whole.svg(),
        folder / "badges" / "all.json": whole.endpoint(),
        **{
            paths.root() / "docs" / "run.svg": terminal.picture(found)
            for found in records
            if found.port == PICTURED
        },
        folder / "record.schema.json": json.dumps(record.schema(), indent=1) + "\n",
        folder / "check.schema.json": json.dumps(verdict.schema(), indent=1) + "\n",
    }


def badge_files(records: Sequence[Record], folder: Path) -> Files:
    return {
        folder / f"{found.port}.{ending}": text
        for found in records
        for ending, text in (
            ("svg", badges.of_port(found).svg()),
            ("json", badges.of_port(found).endpoint()),
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
    differing = [path for path, text in wanted.items() if not _same(path, text)]
    folder = paths.results_dir() / "badges"
    badge_ones = [path for path in folder.glob("*") if path.suffix in (".svg", ".json")]
    return differing + [path for path in sorted(badge_ones) if path not in wanted]


def _same(path: Path, text: str) -> bool:
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return sorted(content.splitlines()) == sorted(text.splitlines())


def _bench(path: Path) -> dict[str, Any] | None:
    """What `make bench` measured, None if nothing was published yet. Raises ResultsError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content["ports"], list) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{paths.shown(path)} does not hold what make bench writes: {error!r}") from None
