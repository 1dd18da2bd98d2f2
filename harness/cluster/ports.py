"""A port's job with the port's files in it: a worker judges the port as it is on the client's machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from harness.cluster.client import Cluster
from harness.cluster.worker import Stage
from harness.matrix import Job, Judged, ListenerFor, Spread, judge


class File(NamedTuple):
    """One file of a port. `inside` is its path in the port's folder."""

    inside: str
    data: bytes
    mode: int


@dataclass(frozen=True)
class Parcel:
    """A job and the files that it is about."""

    job: Job
    files: tuple[File, ...]


def pack(job: Job) -> Parcel:
    manifest = job.manifest
    paths = [manifest.folder / inside for inside in manifest.files()]
    if own := manifest.own_dockerfile():
        paths.append(own)
    files = (
        File(str(path.relative_to(manifest.folder)), path.read_bytes(), path.stat().st_mode) for path in paths
    )
    return Parcel(job, tuple(files))


def judge_parcel(parcel: Parcel, stage: Stage) -> Judged:
    """Judge the port that came in a parcel, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="microgpt-conformance-port-") as scratch:
        folder = Path(scratch) / parcel.job.port
        folder.mkdir()
        for file in parcel.files:
            path = folder / file.inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
            path.chmod(file.mode)
        manifest = replace(parcel.job.manifest, folder=folder)
        return judge(replace(parcel.job, manifest=manifest), stage)


def over(scheduler: str, containers: bool, note: Callable[[str], None]) -> Spread:
    """The Spread over the workers of the Dask scheduler at this address; see Cluster."""

    def spread(jobs: Sequence[Job], listener_for: ListenerFor) -> Iterator[tuple[Job, Judged]]:
        by_port = {job.port: job for job in jobs}
        with Cluster(scheduler, containers, note) as cluster:
            calls = {job.port: (judge_parcel, pack(job)) for job in jobs}
            for port, judged in cluster.results(calls, listener_for):
                yield by_port[port], judged

    return spread
