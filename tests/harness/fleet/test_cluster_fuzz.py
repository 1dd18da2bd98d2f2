"""Claims about `conform fuzz --scheduler`: no shard repeats another, and what they find is kept here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dask_cluster import DaskCluster
from spread import RIGHT, Ports, conform, dask, ports, said

from harness.fuzz import found

__all__ = ["dask", "ports"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("bounded")]

DIES_OF_TOKENS = RIGHT.replace(
    "replies.answer_all", "replies.VERBS['tokens'] = lambda fields: os._exit(7)\nreplies.answer_all"
)


def fuzzed(dask: DaskCluster, *arguments: str) -> tuple[int, dict[str, Any]]:
    wanted = ("--seed", "5", "--count", "30", "--shards", "2")
    asked = ("--kind", "good", "--verb", "tokens", "--verb", "arith")
    where = ("--runner", "local", "--scheduler", dask.address)
    result = conform("fuzz", *arguments, *wanted, *asked, *where, "--json")
    return result.exit_code, json.loads(result.stdout)


def test_fuzzing_is_spread_in_shards_and_what_they_find_is_kept_here(
    ports: Ports, dask: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(found, "unkept", lambda: tmp_path / "found")
    ports.add("right", RIGHT)
    ports.add("dies", DIES_OF_TOKENS)
    dask.start_worker("one")
    dask.start_worker("two")
    code, result = fuzzed(dask, "right", "dies")
    assert code == 1
    assert [shard["port"] for shard in result["shards"]] == ["right", "right", "dies", "dies"]
    assert len({shard["seed"] for shard in result["shards"]}) == 4
    assert result["requests"] == sum(shard["requests"] for shard in result["shards"]) == 4 * 30
    assert {(entry["port"], entry["verb"]) for entry in result["found"]} == {("dies", "tokens")}
    cases = {Path(entry["path"]).resolve() for entry in result["found"]}
    assert cases == {path.resolve() for path in (tmp_path / "found").glob("*.request")}
    for case in cases:
        assert case.with_suffix(".golden").read_text().startswith("ok ")


def test_the_shards_do_not_depend_on_the_number_of_workers(ports: Ports, dask: DaskCluster):
    ports.add("right", RIGHT)
    dask.start_worker("one")
    alone = fuzzed(dask, "right")[1]
    dask.start_worker("two")
    together = fuzzed(dask, "right")[1]
    assert (alone["shards"], alone["verbs"]) == (together["shards"], together["verbs"])


def test_a_campaign_that_cannot_be_run_says_why_and_the_others_count(ports: Ports, dask: DaskCluster):
    ports.add("right", RIGHT)
    ports.add("unbuildable", RIGHT, "build: 'false'\n")
    dask.start_worker("one")
    result = conform(
        *("fuzz", "right", "unbuildable", "--count", "3", "--verb", "arith", "--runner", "local"),
        *("--scheduler", dask.address),
    )
    assert result.exit_code == 1
    assert "the build of unbuildable failed" in said(result)
    assert "nothing found" in result.output
