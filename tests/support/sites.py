"""A site for tests: ports that conform, disagree, crash, were not built and were never run, all measured."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import msgspec
import pytest
import records
from once import once

from harness.errors import BuildFailed, PortCrashed
from harness.fleet import example
from harness.report import accuracy
from harness.report.history import trend
from harness.report.making import build_failure
from harness.report.record import SmallestRecord
from harness.report.site import build
from harness.report.site.data import Example
from science.hexagons import figures
from science.hexagons import training as hexagons
from science.hexagons.plan import Plan
from science.seed_quality import summary
from science.seed_quality.plan import WHOLE, Size, Trial
from science.seed_quality.trial import MEASURES

FAILED = BuildFailed("the build of zig failed: exit code 1", command="zig build", log=("x.zig:1: error",))
MANIFEST = records.manifest(name="zig", language="Zig")


@cache
def planted() -> Example:
    return once("example", example.judge)


def results_in(folder: Path) -> Path:
    """Results of every kind. Go and Rust were never run."""
    smallest = SmallestRecord(
        *("adam", "adam, <two> lines", "adam smallest\nend\n"),
        records.OFF,
        ("the step is off by one",),
    )
    wrong = msgspec.structs.replace(
        planted().record, port="c", language="C", clues=("every value is doubled",), smallest=smallest
    )
    crashed = records.made(
        {"adam": "crashed"},
        fault=PortCrashed("it exited with code 1", log=("panic",)),
        name="haskell",
        language="Haskell",
    )
    unbuilt = build_failure(MANIFEST, FAILED, "docker", records.RAN)
    native = records.made(
        {"run": "known"}, name="javascript", language="JavaScript", known=(records.known("run/example"),)
    )
    records.save_all(folder, [records.made(), wrong, crashed, unbuilt, native])
    speeds = [("reference", 130_000.0), ("lua", 4206.0), ("c", 58.0)]
    (folder / "bench.json").write_text(json.dumps(_bench(speeds)))
    measured = accuracy.load()
    (folder / "accuracy.json").write_text(json.dumps({"schema": 1, "ports": measured}))
    sizes = ((16, 16, 1), (32, 16, 1), (16, 32, 1), (16, 16, 2))
    points = [
        {
            "embedding": e,
            "block": b,
            "layers": n,
            "parameters": 9,
            "operations": 8e5,
            "seconds": 1e-6 * e * b * n,
        }
        for e, b, n in sizes
    ]
    scale = {"schema": 1, "finished": "2026-01-02T00:00:00+00:00", "processor": "A <Processor>", "peak": 1e11}
    (folder / "scale.json").write_text(json.dumps(scale | {"ports": {"c-fast": points}}))
    (folder / "history").mkdir(exist_ok=True)
    states = [
        trend.line_of(records.made(), speed) | {"build": name} for name, speed in (("a", 5e3), ("b", 4206.0))
    ]
    lines = "".join(json.dumps(state) + "\n" for state in states)
    (folder / "history" / "lua.jsonl").write_text(lines)
    mutant = {"area": "adam", "what": "eps is <inside>", "why": "a & b", "rounding": True, "name": "eps"}
    caught = mutant | {"level": 9, "case": "adam/example", "checkpoint": "v[0]", "ulps": 1}
    survivor = mutant | {"level": None, "case": None, "checkpoint": None, "ulps": None}
    named = {name for one in planted().record.diagnosis for name in one.variants}
    survivors = [survivor | {"name": name} for name in sorted(named)]
    (folder / "mutants.json").write_text(json.dumps({"version": "", "mutants": [caught, *survivors]}))
    law = {"flow": "loss", "name": "mean", "sentence": "A loss is a mean.", "within": "exact", "line": 1}
    ledger = {
        "flows": ["loss"],
        "laws": [law | {"code": "return total / count", "assertions": 64}],
        "mutants": {"eps": ["mean"], **{name: [] for name in sorted(named)}},
        "planted": [{"name": "off", "what": "it is off", "why": "So it goes.", "laws": ["mean"]}],
    }
    science = folder.parent / "science"
    science.mkdir(exist_ok=True)
    (science / "laws.json").write_text(json.dumps(ledger))
    (science / "archaeology.json").write_text(json.dumps(_strata()))
    (science / "seed_quality.json").write_text(json.dumps(_harvest()))
    (science / "hexagons.json").write_text(json.dumps(lattices()))
    return folder


def _harvest() -> dict[str, object]:
    """Two sets, spoiled in every way, with figures that fall with the seed."""

    def row(one: Trial) -> dict[str, object]:
        figures = {measure: one.seed / 100 + 0.001 * len(one.spoiling.way) for measure in MEASURES}
        made = ["<b>&", "1+1=2"]
        return figures | {"parameters": 3000, "checksum": "00000001 00000002", "samples at 0.5": made}

    whole = replace(WHOLE, sets=("hexcolors", "sums"), sizes={"sums": (Size(rounds=4),)})
    return summary.of(whole, {one: row(one) for one in whole.trials()})


def lattices() -> dict[str, object]:
    """Hexagonal attention as if trained: rows beat the window, lose to full attention, tie with others."""
    plan = Plan(("parens", "mime"), {16: 3}, (1,), (42, 43), 1)
    losses = {"full": 2.0, "window": 2.6, "itself": 2.7}

    def outcome(trial: hexagons.Trial) -> hexagons.Outcome:
        by_seed = 0.01 * (trial.seed - 42) * (trial.table != "hexagonal rows")
        return hexagons.Outcome(losses.get(trial.table, 2.495) + by_seed, 3, 5, 0.25)

    summary = figures.summary(plan, {trial.key: outcome(trial) for trial in plan.trials()})
    times = [{"block": 16, "table": name, "milliseconds": 1.5} for name in ("full", "window")]
    return summary | {"engine": "c-fast", "times": times}


def _strata() -> dict[str, object]:
    """Two repositories, the second of which is a compression of the first, and one trial of each verdict."""
    size = {"files": 1, "code": 90, "comments": 5, "blank": 5, "tokens": 800, "comment_tokens": 5}
    row = {
        "is": "<small>",
        "commit": "a" * 40,
        "own": "",
        "parents": [],
        "says": "",
        "dependencies": ["torch"],
    }
    row |= {
        "kinds": {"Python": size},
        "source": size,
        "identifiers": 40,
        "definitions": 6,
        "bytes": 3000,
        "compressed": 900,
    }
    history = [{"day": "2020-04-12", "lines": 40}, {"day": "2020-04-18", "lines": 95}]
    old = row | {
        "name": "old",
        "commits": 24,
        "first": "2020-04-12",
        "last": "2022-04-18",
        "history": history,
    }
    small = size | {"code": 30}
    new = row | {"name": "microgpt", "commit": "", "own": "reference/microgpt.py", "source": small}
    new |= {"commits": None, "first": None, "last": None, "history": [], "dependencies": []}
    version = row | {
        "name": "<first>",
        "sha256": "b" * 64,
        "day": "2026-02-11",
        "said": "https://example.org",
    }
    version |= {"gradients": "a set", "tokens": "BOS first", "values": {"block": 8}, "lines": 100}
    version |= {"new_text": None}
    step = {"before": "old", "after": "microgpt", "size": 0.33, "had": 2, "kept": 2, "new": 0}
    step |= {"new_text": 0.7, "compression": True}
    place = {"path": "a.py", "first": 3, "last": 9, "names": ["relu"]}
    trial = {
        "start": "seed",
        "switched": "betas",
        "losses": [2.5],
        "mean": 2.5,
        "difference": 0.1,
        "samples": ["<anna>", "mia"],
    }
    drawn = {"mean": 0.9, "difference": -0.02, "low": -0.03, "high": -0.01, "verdict": "lower"}
    trial |= {"of_samples": {name: drawn for name in ("new", "different", "length")}}
    trial |= {"low": 0.05, "high": 0.2, "verdict": "higher"}
    start = trial | {"switched": "", "difference": 0.0, "low": 0.0, "high": 0.0, "verdict": "no claim"}
    return {
        "repositories": [old, new],
        "gist": [version, version | {"name": "later", "day": "", "new_text": 0.1}],
        "distances": [{"pair": ["old", "microgpt"], "distance": 0.8}],
        "concepts": [
            {"name": "ReLU", "lives": True, "places": {"old": place, "microgpt": place}},
            {"name": "GELU & co", "lives": False, "places": {"old": place}},
        ],
        "steps": [step],
        "descent": [step],
        "heirlooms": {"old": ["ReLU"]},
        "presets": {
            "seeds": [42],
            "steps": 500,
            "end": 100,
            "confirmed": 10,
            "drawn": 200,
            "values": {name: {"beta1": 0.9, "beta2": 0.95} for name in ("classic", "seed")},
            "switches": {"betas": ["beta1", "beta2"]},
            "trials": [start, trial],
        },
    }


def _bench(speeds: list[tuple[str, float]]) -> dict[str, object]:
    functions = {"exp": 155.2, "log": 0.0, "sin": 101.3, "cos": 170.8, "pow": 0.0}
    rows = [
        {
            "port": port,
            "step_microseconds": speed,
            "ratio": 130_000.0 / speed,
            "nanoseconds": functions,
            "noise": dict.fromkeys(functions, 2.0),
            "thousand_steps_seconds": speed / 1000,
            "peak_mib": 18.0 if port == "lua" else None,
        }
        for port, speed in speeds
    ]
    return {
        "processor": "A <Processor>",
        "runner": "docker",
        "finished": "2026-01-01T00:00:00+00:00",
        "ports": rows,
    }


@cache
def parsed(path: Path) -> Element:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(
        path.read_text(encoding="utf-8")
    )


def text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


@pytest.fixture(scope="session")
def site(shared_folder: Path) -> Path:
    """The site of these results, built once, in a folder whose name is no plain word."""
    out = shared_folder / "a sub" / "site"
    once("site", lambda: build.build(results_in(shared_folder / "results"), out, planted()))
    return out
