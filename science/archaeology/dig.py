"""Everything that is measured of the repositories, as the content of results/science/archaeology.json.

Figures and names only: no line of theirs is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from harness import paths
from harness.files import write_whole
from science.archaeology import clones, concepts, gist, sizes
from science.archaeology.clones import Clone, DigError, Site, own_files, sites

FILE = "archaeology.json"
MOMENTS = 20  # of a repository's history
Json = dict[str, Any]
Told = Callable[[str], None]
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Source:
    """A repository's code alone: its source without comments and blank lines, in order of path."""

    lines: int
    code: bytes


def file() -> Path:
    return paths.results_dir() / "science" / FILE


def text_of(found: Json) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def save(found: Json) -> Path:
    return write_whole(file(), text_of(found))


def load() -> Json:
    """What was kept, or nothing."""
    try:
        found: Json = json.loads(file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DigError(f"{paths.shown(file())} is not a JSON file: {error}") from None
    return found


def fetch(folder: Path, told: Told) -> None:
    """Clone what is missing in `folder` from GitHub, the gist included. Raises MachineFault."""
    addresses = {site.name: clones.ADDRESS.format(name=site.name) for site in sites() if not site.own}
    clones.fetch(folder, addresses | {gist.NAME: gist.ADDRESS}, told)


def dig(folder: Path, told: Told) -> Json:
    """Measure the clones in `folder`.

    Raises DigError if a clone, a commit, a version of the gist or a name of the concept table is not there.
    """
    known = sites()
    found = {site.name: clones.find(site, folder) for site in known if not site.own}
    files = {site.name: own_files(site) if site.own else found[site.name].files() for site in known}
    versions = gist.versions()
    stations = stations_of(versions, gist.contents(versions, folder))
    table = concepts.table()
    told("looking for the concepts")
    concepts.check(table, files)
    sources: dict[str, Source] = {}
    rows = []
    for site in known:
        told(f"measuring {site.name}")
        row, sources[site.name] = measure(files[site.name])
        rows.append(about(site, found.get(site.name), told) | row)
    told("compressing pairs")
    order = [site.name for site in known]
    return {
        "repositories": rows,
        "gist": stations,
        "distances": distances(sources),
        "concepts": [
            {"name": one.name, "lives": one.lives, "places": {w: asdict(p) for w, p in one.places.items()}}
            for one in table
        ],
        "steps": [step(*pair, sources, table) for pair in pairwise(order)],
        "descent": [step(*pair, sources, table) for pair in descent(known, table)],
        "heirlooms": concepts.heirlooms(table),
    }


def stations_of(versions: Sequence[gist.Version], contents: Sequence[bytes]) -> list[Json]:
    """The sizes of each version of the gist, and how much of its code is new to who has the one before."""
    rows: list[Json] = []
    before = None
    for version, content in zip(versions, contents, strict=True):
        row, source = measure({"microgpt.py": content})
        share = None if before is None else round(sizes.new_share(before, source.code), 4)
        about = asdict(version) | {"values": version.values, "lines": len(content.splitlines())}
        rows.append(about | row | {"new_text": share})
        before = source.code
    return rows


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


def measure(files: Files) -> tuple[Json, Source]:
    """The sizes of a repository's files by kind, and its source."""
    kinds: dict[str, sizes.Size] = {}
    names: set[str] = set()
    source: dict[str, bytes] = {}
    code = []
    definitions = 0
    for path, content in files.items():
        kind, text = sizes.kind_of(path), sizes.read(path, content)
        kinds.setdefault(kind, sizes.Size()).add(text.size)
        if kind in sizes.SOURCE:
            source[path] = content
            names |= text.identifiers
            definitions += sizes.definitions(kind, sizes.text_of(content))
            code.append(text.code)
    program = sizes.Size()
    for kind in sizes.SOURCE:
        program.add(kinds.get(kind, sizes.Size()))
    alone = "".join(code).encode()
    return {
        "kinds": {kind: asdict(size) for kind, size in sorted(kinds.items())},
        "source": asdict(program),
        "identifiers": len(names),
        "definitions": definitions,
        "dependencies": sizes.dependencies(source),
        "bytes": len(alone),
        "compressed": sizes.compressed(alone),
    }, Source(program.code, alone)


def distances(sources: Mapping[str, Source]) -> list[Json]:
    """The normalised compression distance of every pair."""
    return [
        {"pair": [a, b], "distance": round(sizes.distance(sources[a].code, sources[b].code), 4)}
        for a, b in combinations(sources, 2)
    ]


def step(before: str, after: str, sources: Mapping[str, Source], table: Sequence[concepts.Concept]) -> Json:
    """What becomes of a repository in another: is that smaller, and what does it keep?

    A compression, by the rule of the page, is smaller and has more than half of the concepts.
    """
    had, has = concepts.of(before, table), concepts.of(after, table)
    size = sources[after].lines / sources[before].lines
    return {
        "before": before,
        "after": after,
        "size": round(size, 4),
        "had": len(had),
        "kept": len(had & has),
        "new": len(has - had),
        "new_text": round(sizes.new_share(sources[before].code, sources[after].code), 4),
        "compression": size < 1 and 2 * len(had & has) > len(had),
    }


def descent(known: Sequence[Site], table: Sequence[concepts.Concept]) -> list[tuple[str, str]]:
    """Every parent and child: as the child names them, and for microgpt by the concepts."""
    named = [(parent, site.name) for site in known for parent in site.parents]
    return [*named, *((parent, concepts.LAST) for parent in sorted(concepts.heirlooms(table)))]
