"""Which laws break for which known mistake: the ledger's proof that no law is trivially true.

`results/science/laws.json` holds the ledger with what the reference asserted, and for each mutant the laws
that it breaks; likewise for the mistakes of `planted.py`. `conform laws --mutants` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from conformance.messages import golden_of
from harness import paths
from harness.explain.mutants import mutant as mutants
from harness.explain.mutants.catalogue import MUTANTS
from harness.files import write_whole
from science.laws import flows, models
from science.laws.asking import Asker
from science.laws.ledger import LAWS, Outcome, judge
from science.laws.planted import PLANTED

FILE = "laws.json"


def file() -> Path:
    return paths.results_dir() / "science" / FILE


def judge_all(asker: Asker, names: Iterable[str] | None = None) -> Iterable[Outcome]:
    """Every law of these flows, or of all, in the ledger's order."""
    chosen = set(names or flows.FLOWS)
    for flow in flows.FLOWS:
        for one in LAWS:
            if one.flow == flow and flow in chosen:
                yield judge(one, asker)


def broken_by(name: str) -> tuple[str, list[str]]:
    """A mutant's name, and the names of the laws that it breaks with one document of each model."""
    models.DOCUMENTS = 1
    [found] = [one for one in (*MUTANTS, *PLANTED) if one.name == name]
    asker = Asker(mutants.load(found.changes))
    return name, [one.name for one in LAWS if judge(one, asker, first=True).broken]


def hunt(told: Callable[[int, int], None] = lambda done, total: None) -> dict[str, Any]:
    """The content of laws.json. told: hears how many mutants of how many are done.

    Mutants by rounding are left out: a law allows for rounding.
    """
    broken: dict[str, list[str]] = {}
    names = [one.name for one in (*MUTANTS, *PLANTED) if not one.rounding]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for name, laws in pool.map(broken_by, names):
            broken[name] = laws
            told(len(broken), len(names))
    planted = [
        {"name": one.name, "what": one.what, "why": one.why, "laws": broken.pop(one.name)} for one in PLANTED
    ]
    return {"flows": list(flows.FLOWS), "laws": ledger(), "mutants": broken, "planted": planted}


def ledger() -> list[dict[str, Any]]:
    """Every law as data, with the number of its assertions, asked of the reference."""
    return [
        {
            "flow": outcome.law.flow,
            "name": outcome.law.name,
            "sentence": outcome.law.sentence,
            "within": outcome.law.within,
            "line": outcome.law.line_number,
            "code": outcome.law.code,
            "assertions": outcome.held + len(outcome.broken),
        }
        for outcome in judge_all(Asker(golden_of))
    ]


def save(found: dict[str, Any]) -> None:
    file().parent.mkdir(parents=True, exist_ok=True)
    write_whole(file(), (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())


def share_caught(found: dict[str, Any]) -> tuple[int, int]:
    """How many mutants break a law, and how many there are."""
    return sum(map(bool, found["mutants"].values())), len(found["mutants"])


def unbroken(found: dict[str, Any]) -> list[str]:
    """The laws that no mistake breaks, planted ones included."""
    rows = [*found["mutants"].values(), *(one["laws"] for one in found["planted"])]
    broken = {name for row in rows for name in row}
    return [one["name"] for one in found["laws"] if one["name"] not in broken]
