"""What the page on good seed shows, from results/science/seed_quality.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.site import plots
from harness.report.site.data import Json

GPT = "GPT"
RIVALS = {"3-gram": "third", "6-gram": "sixth"}
"""The n-grams, with their styles in plots."""
AT = "at 0.5"  # the temperature of the preset
SHARES = ("validity", "novelty", "distinctness", "harvest")
ABLE = 0.9  # a size can do a set if so many of its samples are right
FRACTIONS = {0.5: "half", 0.25: "a quarter", 0.0625: "a sixteenth"}
BARREN = 0.1  # a clean harvest below this leaves little to lose
TOLD = {
    *(f"{amount} % of letters swapped" for amount in (1, 50)),
    *(f"{amount} % of lines foreign" for amount in (10, 50)),
    "50 % of lines copies of ten",
    "half of the lines",
    "a sixteenth of the lines",
    "sorted, not shuffled",
}
"""What the page speaks of in words."""
WAYS = {
    "swapped": "letters swapped",
    "copied": "lines copied",
    "mixed": "foreign lines mixed in",
    "reduced": "fewer lines",
    "sorted": "sorted, not shuffled",
}


@dataclass(frozen=True)
class Figure:
    """A mean difference and half the width of its interval. `claim`: higher, lower, or nothing."""

    text: str
    claim: str
    value: float


def values(found: Json | None) -> dict[str, Any]:
    """Everything that the template is given; `found` is None if nothing was sown yet."""
    if not found:
        return {"found": None}
    spoiled = [row for row in found["overall"] if row["learner"] == GPT]
    effects = {(row["set"], row["way"], row["amount"]): row for row in found["effects"]}
    claims = [figure(row, measure).claim for row in found["effects"] for measure in measures()]
    return {
        "found": found,
        "sets": found["sets"],
        "shares": SHARES,
        "rows": [overall(row) for row in spoiled],
        "warm": [overall(row, "at 1") for row in spoiled],
        "rivals": [
            overall(row) | {"learner": row["learner"]} for row in found["overall"] if row["learner"] != GPT
        ],
        "answers": answers(spoiled),
        "harmed": [sum(figure(row, measure).claim == claim for row in spoiled) for measure, claim in HARMS],
        "complete": {words(row) for row in spoiled} >= TOLD,
        "barren": [
            one["name"]
            for one in found["sets"]
            if mean(cell(found, one["name"], GPT, "clean", 0.0)[f"harvest {AT}"]) < BARREN
        ],
        "cost": {words(row): figure(row, "bits").text for row in spoiled},
        "clean": [clean(one["name"], found) for one in found["sets"]],
        "beats": [beats(rival, found) for rival in RIVALS],
        "leads": [overall(row) | {"rival": row["rival"]} for row in found["leads_overall"]],
        "effects": [overall(row) | {"set": row["set"]} for row in effects.values()],
        "intervals": len(claims),
        "claimed": sum(map(bool, claims)),
        "sizes": list(sizes(found)),
        "smallest": list(smallest(found)),
        "able": ABLE,
        "bits_plot": plots.differences(
            "Held-out loss, spoiled minus clean", list(ranges(spoiled, "bits", 1.0)), 3
        ),
        "harvest_plot": plots.differences(
            "Harvest, spoiled minus clean", list(ranges(spoiled, f"harvest {AT}", 100.0)), 1
        ),
        "doses": [(one["name"], doses(one["name"], found)) for one in found["sets"]],
    }


def measures(at: str = AT) -> tuple[str, ...]:
    return ("bits", *(f"{share} {at}" for share in SHARES))


def words(row: Json) -> str:
    """A way and its amount as people say it."""
    way, amount = row["way"], row["amount"]
    return {
        "clean": "nothing",
        "swapped": f"{amount:.0%} of letters swapped",
        "copied": f"{amount:.0%} of lines copies of ten",
        "mixed": f"{amount:.0%} of lines foreign",
        "reduced": f"{FRACTIONS.get(amount, f'{amount:.1%}')} of the lines",
        "sorted": WAYS["sorted"],
    }[way].replace("%", " %")


def amount_of(row: Json) -> str:
    """An amount alone, for a table whose row names the way."""
    if row["way"] == "sorted":
        return "all lines"
    if row["way"] == "reduced":
        return FRACTIONS.get(row["amount"], f"{row['amount']:.1%}".replace("%", " %"))
    return f"{row['amount']:.0%}".replace("%", " %")


def figure(row: Json, measure: str) -> Figure:
    middle, low, high = row[measure][:3]
    reach = (high - low) / 2
    claim = "" if low <= 0.0 <= high else "higher" if low > 0.0 else "lower"
    if measure == "bits":
        return Figure(f"{middle:+.3f} ± {reach:.3f}", claim, middle)
    return Figure(f"{100 * middle:+.1f} ± {100 * reach:.1f}", claim, middle)


def overall(row: Json, at: str = AT) -> dict[str, Any]:
    return {
        "way": row.get("way", ""),
        "spoiled": words(row) if "way" in row else "",
        "figures": [figure(row, measure) for measure in measures(at)],
    }


HARMS = (("bits", "higher"), (f"harvest {AT}", "lower"), ("harvest at 1", "lower"))
"""What counts as harm: a measure, and the claim that says so."""


def answers(spoiled: Sequence[Json]) -> list[dict[str, Any]]:
    """For each way the amounts at which a harm may be claimed, harm by harm."""
    result = []
    for way in dict.fromkeys(row["way"] for row in spoiled):
        rows = [row for row in spoiled if row["way"] == way]
        found = [
            [amount_of(row) for row in rows if figure(row, measure).claim == claim]
            for measure, claim in HARMS
        ]
        result.append({"way": WAYS[way], "amounts": [amount_of(row) for row in rows], "harms": found})
    return result


def mean(figures: Sequence[float]) -> float:
    return sum(figures) / len(figures)


def cell(found: Json, name: str, learner: str, way: str, amount: float) -> Json:
    row: Json = next(
        row
        for row in found["cells"]
        if (row["set"], row["learner"], row["way"], row["amount"]) == (name, learner, way, amount)
    )
    return row


def spread(figures: Sequence[float], scale: float, digits: int) -> str:
    """The mean, and the least and the greatest of the seeds."""
    low, high = (f"{scale * end:.{digits}f}" for end in (min(figures), max(figures)))
    middle = f"{scale * mean(figures):.{digits}f}"
    return middle if low == high else f"{middle} ({low}–{high})"


def clean(name: str, found: Json) -> dict[str, Any]:
    """What each learner makes of a clean set, and whether the GPT leads."""
    leads = {row["rival"]: row for row in found["leads"] if row["set"] == name}
    rows = []
    for learner in (GPT, *RIVALS):
        row = cell(found, name, learner, "clean", 0.0)
        lead = leads.get(learner)
        rows.append(
            {
                "learner": learner,
                "bits": spread(row["bits"], 1.0, 3),
                "shares": [spread(row[f"{share} {AT}"], 100.0, 1) for share in SHARES],
                "lead": None if lead is None else [figure(lead, measure) for measure in measures()],
            }
        )
    return {"name": name, "rows": rows}


def beats(rival: str, found: Json) -> dict[str, Any]:
    """In which sets the GPT is better than this n-gram, worse, or neither, measure by measure."""
    rows = [row for row in found["leads"] if row["rival"] == rival]
    by_measure = {}
    for measure, name in zip(measures(), ("bits", *SHARES), strict=True):
        better = "lower" if measure == "bits" else "higher"
        claims = {row["set"]: figure(row, measure).claim for row in rows}
        by_measure[name] = {
            "better": [name for name, claim in claims.items() if claim == better],
            "worse": [name for name, claim in claims.items() if claim and claim != better],
            "neither": [name for name, claim in claims.items() if not claim],
        }
    return {"rival": rival, "measures": by_measure}


def sizes(found: Json) -> Iterator[dict[str, Any]]:
    """The usual size first, then each other one, set by set."""
    for row in found["sizes"]:
        right = row[f"validity {AT}"]
        yield {
            **row,
            "shown_bits": spread(row["bits"], 1.0, 3),
            "shown": [spread(row[f"{share} {AT}"], 100.0, 1) for share in SHARES],
            "can": mean(right) >= ABLE,
        }


def smallest(found: Json) -> Iterator[dict[str, Any]]:
    """For each set the smallest size that can do it; where none can, the one that comes nearest."""
    for name in dict.fromkeys(row["set"] for row in found["sizes"]):
        rows = [row for row in sizes(found) if row["set"] == name]
        can = [row for row in rows if row["can"]]
        if can:
            yield min(can, key=lambda row: (row["parameters"], row["rounds"]))
        else:
            yield max(rows, key=lambda row: mean(row[f"validity {AT}"]))


def ranges(rows: Sequence[Json], measure: str, scale: float) -> Iterator[plots.Range]:
    for row in rows:
        middle, low, high = (scale * end for end in row[measure][:3])
        yield plots.Range(words(row), low, middle, high)


def doses(name: str, found: Json) -> Any:
    """Validity over the share of swapped letters, for the GPT and the n-grams."""
    amounts = sorted({row["amount"] for row in found["cells"] if row["way"] == "swapped"})
    steps = [("clean", 0.0), *(("swapped", amount) for amount in amounts)]

    def course(learner: str, style: str) -> plots.Course:
        figures = [cell(found, name, learner, *step)[f"validity {AT}"] for step in steps]
        return plots.Course(style, [(min(seeds), mean(seeds), max(seeds)) for seeds in figures])

    return plots.courses(
        f"Valid samples of {name} over the share of swapped letters",
        [f"{amount:.0%}" for _, amount in steps],
        [*(course(learner, style) for learner, style in RIVALS.items()), course(GPT, "")],
    )
