"""The matrix over many machines: a Spread whose jobs are judged by the workers of a Dask scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.fleet.cluster.client import Cluster
from harness.fleet.cluster.parcel import Parcel, pack, unpacked
from harness.fleet.cluster.worker import Stage
from harness.fleet.matrix import Job, Judged, ListenerFor, Spread, judge


def judge_there(job: Job, parcel: Parcel, stage: Stage) -> Judged:
    """On the worker: judge the port that came in a parcel."""
    with unpacked(parcel) as manifest:
        return judge(replace(job, manifest=manifest), stage)


def over(scheduler: str, containers: bool, note: Callable[[str], None]) -> Spread:
    """The Spread over the workers of the Dask scheduler at this address; see Cluster."""

    def spread(jobs: Sequence[Job], listener_for: ListenerFor) -> Iterator[tuple[Job, Judged]]:
        by_port = {job.port: job for job in jobs}
        with Cluster(scheduler, containers, note) as cluster:
            calls = {job.port: (judge_there, job, pack(job.manifest)) for job in jobs}
            for port, judged in cluster.results(calls, listener_for):
                yield by_port[port], judged

    return spread
