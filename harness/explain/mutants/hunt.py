"""Sends every mutant up the ladder, to see which level catches it first.

A mutant that no level catches is a hole in the golden traces. Not for naming the mistake of a port:
`diagnose.py` does that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from conformance import ladder
from harness import paths
from harness.explain.mutants import mutant as mutants
from harness.explain.mutants import rounding
from harness.explain.mutants.catalogue import MUTANTS
from harness.explain.mutants.mutant import Mutant
from harness.files import write_whole
from harness.judge.compare import compare
from harness.judge.tolerance import compare_within


@dataclass(frozen=True)
class Catch:
    """Where a mutant is caught first: level, case and checkpoint; all None for a survivor.

    ulps: how far the first wrong double is off, None where it is no matter of ulps. outside: the first level
    at which a judge with the measured tolerance catches it too; not looked for in mutants by rounding.
    """

    name: str
    level: int | None = None
    case: str | None = None
    checkpoint: str | None = None
    ulps: int | None = None
    outside: int | None = None


def hunt(name: str) -> Catch:
    """Send the mutant of this name up the ladder, until a case fails; until one fails by more than the
    tolerance, if it is not by rounding.
    """
    mutant = find(name)
    answer = mutants.load(mutant.changes)
    catch = Catch(name)
    for case in asked():
        reply = answer(case.request)
        first = compare(case.request, case.golden, reply).first
        if first is None:
            continue
        if catch.level is None:
            catch = Catch(name, case.level.number, case.id, first.checkpoint, first.ulps)
        if mutant.rounding:
            return catch
        if compare_within(case.request, case.golden, reply).first is not None:
            return replace(catch, outside=case.level.number)
    return catch


def asked() -> Iterator[ladder.Case]:
    """The ladder's cases, level by level, and last of all the bad requests."""
    for level in levels():
        yield from (case for case in level.cases if not (case.long or case.large))
    for level in levels():
        yield from (case for case in level.robust_cases if not case.request.raw)


def survives(catch: Catch) -> bool:
    """Whether nothing catches it, or no judge with a tolerance although it is not by rounding."""
    return catch.level is None or (catch.outside is None and not find(catch.name).rounding)


def levels() -> list[ladder.Level]:
    """The ladder without what fuzzing found: that would only catch more, and the table would never be of
    today.
    """
    return [replace(level, found=None) for level in ladder.levels()]


def find(name: str) -> Mutant:
    """The mutant of this name. Raises KeyError."""
    return _BY_NAME[name]


_BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


def hunt_all(
    names: Iterable[str], on_catch: Callable[[Catch], None] = lambda catch: None, processes: int | None = None
) -> list[Catch]:
    """Hunt these mutants in parallel; the result is in the order of the names."""
    names = list(names)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(hunt, name) for name in names]
        for job in as_completed(jobs):
            on_catch(job.result())
        return [job.result() for job in jobs]


def version() -> str:
    """Names all that a catch depends on: the catalogue, the reference that it changes, and the suite."""
    digest = hashlib.sha256(ladder.content_hash(levels()).encode())
    for mutant in sorted(MUTANTS, key=lambda mutant: mutant.name):
        digest.update(repr((mutant.name, mutant.rounding, mutant.changes)).encode())
    digest.update(Path(rounding.__file__).read_bytes())
    for name in mutants.MODULES:
        digest.update(mutants.source(name).encode())
    return digest.hexdigest()


def results_file() -> Path:
    return paths.results_dir() / "published" / "mutants.json"


def save(catches: Sequence[Catch]) -> Path:
    """Write what was found about the whole catalogue, for `diagnose`, the site and people to read."""
    rows = [
        {
            "area": found.area,
            "what": found.what,
            "why": found.why,
            "rounding": found.rounding,
            **asdict(catch),
        }
        for catch in catches
        for found in (find(catch.name),)
    ]
    return write_whole(results_file(), json.dumps({"version": version(), "mutants": rows}, indent=1) + "\n")
