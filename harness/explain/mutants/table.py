"""results/mutants.md: what each mutant is, and which level catches it first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from conformance import verbs
from harness import paths
from harness.explain.mutants import hunt
from harness.explain.mutants.catalogue import AREAS
from harness.explain.mutants.hunt import Catch
from harness.files import write_whole

INTRODUCTION = """# What the suite catches

Each mutant is the reference with one plausible mistake. All of them go up the ladder; a mutant that nothing
catches would be a hole in the golden traces. `make mutants` writes this page. *By rounding* marks those that
are right but for the last bits: a judge with a tolerance lets them pass.
"""


def sentence(catches: Sequence[Catch]) -> str:
    """What a hunt comes to."""
    survivors = [catch.name for catch in catches if hunt.survives(catch)]
    if survivors:
        return f"{len(survivors)} of {len(catches)} mutants survive: {', '.join(survivors)}"
    far = sum(catch.outside is not None for catch in catches)
    beyond = f"; the {far} not by rounding are outside the tolerance too" if far else ""
    return f"all {len(catches)} mutants are caught{beyond}"


def level_name(number: int | None) -> str:
    return f"{number} {verbs.NAMES[number - 1]}" if number else "**nothing**"


def text(catches: Sequence[Catch]) -> str:
    levels = Counter(catch.level for catch in catches)
    lines = [
        INTRODUCTION,
        sentence(catches).capitalize() + ".",
        "",
        "| level | catches first |",
        "|---|---:|",
    ]
    lines += [f"| {n} {verb} | {levels[n]} |" for n, verb in enumerate(verbs.NAMES, start=1) if levels[n]]
    for area in AREAS:
        lines += ["", f"## {area.capitalize()}", ""]
        lines += [
            "| mutant | this is what you get when | why it happens | caught by | outside the tolerance |"
        ]
        lines += ["|---|---|---|---|---|"]
        for catch in catches:
            mutant = hunt.find(catch.name)
            if mutant.area == area:
                where = f"{catch.case}, `{catch.checkpoint}`" if catch.level else "**nothing**"
                outside = "by rounding" if mutant.rounding else level_name(catch.outside)
                cells = (mutant.name, mutant.what, mutant.why, where, outside)
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def save(catches: Sequence[Catch]) -> Path:
    return write_whole(paths.results_dir() / "mutants.md", text(catches))
