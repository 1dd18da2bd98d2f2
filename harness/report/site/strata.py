"""What the page on archaeology shows, from results/science/archaeology.json."""

from __future__ import annotations

from datetime import date
from typing import Any

from harness.report.site import plots
from harness.report.site.data import Json


def values(found: Json | None) -> dict[str, Any]:
    """Everything that the template is given; `found` lacks repositories if nothing was dug up."""
    if not found or "repositories" not in found:
        return {"found": None}
    rows = found["repositories"]
    concepts = found["concepts"]
    trials = found["presets"]["trials"]
    steps = found["steps"]
    claims = [one["verdict"] for row in trials if row["switched"] for one in row["of_samples"].values()]
    return {
        "found": found,
        "rows": rows,
        "names": [row["name"] for row in rows],
        "steps": steps,
        "has": {row["name"]: sum(row["name"] in one["places"] for one in concepts) for row in rows},
        "differing": differing(found["gist"]),
        "of_switches": len(claims),
        "unclaimed": claims.count("no claim"),
        "smaller": sum(step["size"] < 1 for step in steps),
        "keeping": sum(2 * step["kept"] > step["had"] for step in steps),
        "compressions": [step for step in steps if step["compression"]],
        "living": sum(one["lives"] for one in concepts),
        "born": sum(list(one["places"]) == ["microgpt"] for one in concepts),
        "distances": {
            (a, b): one["distance"] for one in found["distances"] for a, b in (one["pair"], one["pair"][::-1])
        },
        "tree": tree(found),
        "sizes": plots.log_bars(
            "Lines of code, by repository",
            [
                plots.Bar(
                    row["name"],
                    row["source"]["code"],
                    f"{row['source']['code']:,}",
                    "reference" if row["own"] else "",
                )
                for row in rows
            ],
            lambda exponent: f"{10**exponent:,}",
        ),
        "growths": {
            row["name"]: plots.sparkline(
                f"Lines of {row['name']} over its history", [moment["lines"] for moment in row["history"]]
            )
            for row in rows
            if row["history"]
        },
        "switched": plots.differences(
            "Difference of the loss, by switch",
            [
                plots.Range(f"{one['start']}, {one['switched']}", one["low"], one["difference"], one["high"])
                for one in trials
                if one["switched"]
            ],
        ),
    }


def differing(versions: list[Json]) -> list[str]:
    """The numbers that are not the same in every version of the gist."""
    first = versions[0]["values"]
    return [key for key in first if any(one["values"][key] != first[key] for one in versions)]


def tree(found: Json) -> Any:
    """The lives of the repositories and who descends from whom. microgpt's is that of its gist."""
    rows = found["repositories"]
    days = {row["name"]: [_day(row["first"]), _day(row["last"])] for row in rows if row["first"]}
    told = [_day(one["day"]) for one in found["gist"] if one["day"]]
    days |= {row["name"]: [told[0], told[-1]] for row in rows if row["own"]}
    end = max(last for _, last in days.values())
    parents: dict[str, tuple[str, ...]] = {}
    for step in found["descent"]:
        parents[step["after"]] = (*parents.get(step["after"], ()), step["before"])
    spans = [
        plots.Span(
            row["name"],
            days[row["name"]][0],
            days[row["name"]][1],
            f"{row['first'][:7]} to {row['last'][:7]}" if row["first"] else found["gist"][0]["day"],
            parents.get(row["name"], ()),
        )
        for row in rows
    ]
    first = min(start for start, _ in days.values())
    years = range(date.fromordinal(first).year + 1, date.fromordinal(end).year + 1)
    ticks = [(float(date(year, 1, 1).toordinal()), str(year)) for year in years]
    return plots.descent("Who descends from whom, over time", spans, ticks)


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()
