"""Fuzzing campaigns over many machines, in shards: one port and one seed each, so that no two ask the same.

What a shard finds comes back as data and is saved here, in the client's checkout, once.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from conformance.verbs import NAMES
from harness import files, paths
from harness.build import manifest
from harness.errors import ConformError
from harness.fleet.cluster.client import Cluster
from harness.fleet.cluster.parcel import Parcel, pack, unpacked
from harness.fleet.cluster.worker import Stage
from harness.fleet.listener import Listener
from harness.fuzz import found
from harness.fuzz.campaign import MOST_KEPT, Campaign, Course, Place, campaign
from harness.fuzz.found import Entry
from harness.run.limits import Limits
from harness.run.reaper import scratch


@dataclass(frozen=True)
class Plan:
    """What every shard does, with a seed of its own; `shards` for each port."""

    course: Course
    runner: str
    limits: Limits
    shards: int = 1


def shard_seed(seed: int, port: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {port} {number}".encode()).digest()[:4], "big")


def fuzz_there(plan: Plan, seed: int, parcel: Parcel, stage: Stage) -> Entry:
    """On the worker: one campaign, each of whose findings brings its files along."""

    def show(running: Campaign) -> None:
        stage.show(f"{running.requests // 100 * 100:,} requests, {len(running.found)} found")

    with unpacked(parcel) as port, scratch() as folder:
        place = Place(plan.runner, plan.limits, lambda name: port, folder)
        result = campaign([port.name], replace(plan.course, seed=seed), place, stage.building, show)
        for entry in result["found"]:
            path = Path(entry["path"])
            endings = (".request", ".golden") if path.suffix == ".request" else (path.suffix,)
            entry["files"] = {file.name: file.read_bytes() for file in map(path.with_suffix, endings)}
    return result


def fuzz_over(
    scheduler: str,
    ports: Sequence[str],
    plan: Plan,
    note: Callable[[str], None],
    listener_for: Callable[[str], Listener],
) -> tuple[Entry, list[ConformError]]:
    """Fuzz each port in shards: what they came to as one result, and the faults of the others."""
    shard_of = {
        f"{port} {number}": (port, shard_seed(plan.course.seed, port, number))
        for port in dict.fromkeys(ports)
        for number in range(1, plan.shards + 1)
    }
    parcels = {port: pack(manifest.load(port)) for port, _ in shard_of.values()}
    calls = {label: (fuzz_there, plan, own, parcels[port]) for label, (port, own) in shard_of.items()}
    results: dict[str, Entry] = {}
    faults: list[ConformError] = []
    interrupted = False
    with Cluster(scheduler, plan.runner == "docker", note) as cluster:
        try:
            for label, value in cluster.results(calls, listener_for):
                if isinstance(value, ConformError):
                    faults.append(value)
                else:
                    results[label] = value
        except KeyboardInterrupt:
            interrupted = True
    merged = merge([results[label] for label in calls if label in results])
    merged["found"] = _saved(merged["found"])
    if interrupted or faults:
        merged["ended"] = "interrupted" if interrupted else "not every shard came to its end"
    return {**merged, "ports": list(parcels), "seed": plan.course.seed, "runner": plan.runner}, faults


def merge(results: Sequence[Entry]) -> Entry:
    """Many results as one: what was asked is added up, what was found twice is there once for each port."""
    verbs: dict[str, Counter[str]] = {}
    entries: dict[tuple[str, str], Entry] = {}
    for result in results:
        for verb, numbers in result["verbs"].items():
            verbs.setdefault(verb, Counter()).update(numbers)
        for entry in result["found"]:
            entries.setdefault((entry["port"], entry["path"]), entry)
    first: Mapping[str, Any] = results[0] if results else {"kinds": [], "ended": "", "only_verbs": []}
    return {
        "ports": sorted({port for result in results for port in result["ports"]}),
        "kinds": first["kinds"],
        "seed": 0,
        "requests": sum(result["requests"] for result in results),
        "tried_again": sum(result["tried_again"] for result in results),
        "seconds": max((result["seconds"] for result in results), default=0.0),
        "ended": first["ended"],
        "verbs": {verb: dict(verbs[verb]) for verb in NAMES if verb in verbs},
        "found": list(entries.values()),
        "only_verbs": first["only_verbs"],
        "shards": [
            {"port": result["ports"][0], **{key: result[key] for key in ("seed", "requests", "ended")}}
            for result in results
        ],
    }


def _saved(entries: Sequence[Entry]) -> list[Entry]:
    """The findings with their files on this machine: kept cases in the checkout, all else in the cache."""
    kept = 0
    made = []
    for entry in entries:
        is_kept = entry["saved"] and kept < MOST_KEPT
        kept += is_kept
        is_case = entry["path"].endswith(".request")
        folder = found.folder() if is_kept else found.unkept() if is_case else found.conversations()
        for name, data in entry.pop("files").items():
            files.write_whole(folder / name, data)
        path = paths.shown(folder / Path(entry["path"]).name)
        made.append({**entry, "saved": is_kept, "path": path})
    return made
