"""A site for tests: ports that conform, disagree, crash, were not built and were never run, all measured."""

import json
from functools import cache
from pathlib import Path

import msgspec
import pytest
import records

from harness.errors import BuildFailed, PortCrashed
from harness.fleet import example
from harness.report import accuracy
from harness.report.history import trend
from harness.report.making import build_failure
from harness.report.site import build
from harness.report.site.data import Example

FAILED = BuildFailed("the build of zig failed: exit code 1", command="zig build", log=("x.zig:1: error",))
MANIFEST = records.manifest(name="zig", language="Zig")


@cache
def planted() -> Example:
    return example.judge()


def results_in(folder: Path) -> Path:
    """Results of every kind. Go and Rust were never run."""
    wrong = msgspec.structs.replace(planted().record, port="c", language="C")
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
        "rounding": [],
    }
    science = folder.parent / "science"
    science.mkdir(exist_ok=True)
    (science / "laws.json").write_text(json.dumps(ledger))
    return folder


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


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of these results, built once, in a folder whose name is no plain word."""
    folder = tmp_path_factory.mktemp("site")
    out = folder / "a sub" / "site"
    build.build(results_in(folder / "results"), out, planted())
    return out
