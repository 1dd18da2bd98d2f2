"""Everything that is measured of the repositories, as the content of results/science/archaeology.json.

Figures and names only: no line of theirs is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from harness import paths
from harness.files import write_whole
from science.archaeology import concepts, sizes
from science.archaeology.clones import Clone, DigError, Site, find, own_files, sites

FILE = "archaeology.json"
MOMENTS = 20  # of a repository's history
ORIGINAL = "the original"
Json = dict[str, Any]
Told = Callable[[str], None]
Files = Mapping[str, bytes]


def file() -> Path:
    return paths.results_dir() / "science" / FILE


def save(found: Json) -> Path:
    return write_whole(file(), json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def load() -> Json:
    """What was kept, or nothing."""
    try:
        found: Json = json.loads(file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DigError(f"{paths.shown(file())} is not a JSON file: {error}") from None
    return found


def dig(folder: Path, told: Told, original: Path | None = None) -> Json:
    """Measure the clones in `folder`, and a copy of the original microgpt beside them if there is one.

    Raises DigError if a clone, a commit or a name of the concept table is not there.
    """
    known = sites()
    clones = {site.name: find(site, folder) for site in known if not site.own}
    files = {site.name: own_files(site) if site.own else clones[site.name].files() for site in known}
    table = concepts.table()
    told("looking for the concepts")
    concepts.check(table, files)
    if original is not None:
        files[ORIGINAL] = {original.name: original.read_bytes()}
    codes: dict[str, bytes] = {}
    rows = []
    for name, content in files.items():
        told(f"measuring {name}")
        site = next((one for one in known if one.name == name), Site(name, "the program itself"))
        row, codes[name] = measure(content)
        rows.append(about(site, clones.get(name), told) | row)
    told("compressing pairs")
    return {
        "repositories": rows,
        "distances": distances(codes),
        "concepts": [
            {"name": one.name, "lives": one.lives, "places": {w: asdict(p) for w, p in one.places.items()}}
            for one in table
        ],
        "steps": steps([site.name for site in known], rows, codes, table),
        "heirlooms": concepts.heirlooms(table),
    }


def about(site: Site, clone: Clone | None, told: Told) -> Json:
    """Where a repository comes from: commits, days, and how it grew."""
    row: Json = {"name": site.name, "is": site.about, "commit": site.commit, "own": site.own}
    row |= {"parents": list(site.parents), "says": site.says}
    if clone is None:
        return row | {"commits": None, "first": None, "last": None, "history": []}
    told(f"reading the history of {site.name}")
    line = clone.history()
    chosen = sorted({round(i * (len(line) - 1) / (MOMENTS - 1)) for i in range(MOMENTS)})
    grown = [
        {"day": line[at].day, "lines": sizes.lines_of(clone.files(line[at].hash).items())} for at in chosen
    ]
    return row | {"commits": clone.count(), "first": line[0].day, "last": line[-1].day, "history": grown}


def measure(files: Files) -> tuple[Json, bytes]:
    """The sizes of files by kind, and their code alone: the source without comments, in order of path."""
    kinds: dict[str, sizes.Size] = {}
    names: set[str] = set()
    source: dict[str, bytes] = {}
    code = []
    for path, content in files.items():
        kind, text = sizes.kind_of(path), sizes.read(path, content)
        kinds.setdefault(kind, sizes.Size()).add(text.size)
        if kind in sizes.SOURCE:
            source[path] = content
            names |= text.identifiers
            code.append(text.code)
    program = sizes.Size()
    for kind in sizes.SOURCE:
        program.add(kinds.get(kind, sizes.Size()))
    alone = "".join(code).encode()
    return {
        "kinds": {kind: asdict(size) for kind, size in sorted(kinds.items())},
        "source": asdict(program),
        "identifiers": len(names),
        "dependencies": sizes.dependencies(source),
        "bytes": len(alone),
        "compressed": sizes.compressed(alone),
    }, alone


def distances(codes: Mapping[str, bytes]) -> list[Json]:
    """The normalised compression distance of every pair."""
    return [
        {"pair": [a, b], "distance": round(sizes.distance(codes[a], codes[b]), 4)}
        for a, b in combinations(codes, 2)
    ]


def steps(
    names: Sequence[str], rows: Sequence[Json], codes: Mapping[str, bytes], table: Sequence[concepts.Concept]
) -> list[Json]:
    """What becomes of each repository in the next: is that smaller, and what does it keep?"""
    lines = {row["name"]: row["source"]["code"] for row in rows}
    found = []
    for before, after in zip(names, names[1:], strict=False):
        had, has = concepts.of(before, table), concepts.of(after, table)
        found.append(
            {
                "before": before,
                "after": after,
                "size": round(lines[after] / lines[before], 4),
                "had": len(had),
                "kept": len(had & has),
                "new": len(has - had),
                "new_text": round(sizes.new_share(codes[before], codes[after]), 4),
            }
        )
    return found


def is_compression(step: Json) -> bool:
    """Smaller than the one before, and with more than half of its concepts: the rule of the page."""
    return bool(step["size"] < 1 and 2 * step["kept"] > step["had"])
