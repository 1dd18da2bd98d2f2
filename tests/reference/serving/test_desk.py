"""Claims on the limits: how many at once, how many may wait, how long."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

anyio = pytest.importorskip("anyio")

from serving import SMALL

from reference.app.refusal import Refusal
from reference.app.serving import desk as desks
from reference.app.serving import messages
from reference.app.serving.desk import Busy, Desk, Limits, TookTooLong
from reference.app.serving.tools import TOOLS

SCORE = {"model": "small", "text": "Asia"}
LONG = {"name": "long", "dataset": "timezones", "steps": 2000, "embedding": 16}


def run(work: Callable[[], Any]) -> Any:
    return anyio.run(work)


class Slow(Desk):
    """Computes nothing, for as long as it is told to, and counts how many do so at once."""

    running = most = 0
    done = 0

    async def _compute(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            self.done += 1
            return messages.Generated("small", [])
        finally:
            self.running -= 1


def slow(limits: Limits) -> Slow:
    made = Slow(Path(), limits)
    made.gate = anyio.Event()
    return made


def test_so_many_are_computed_at_once_so_many_wait_and_the_next_is_refused() -> None:
    async def work() -> None:
        desk = slow(Limits(answers=2, waiting=3))
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(desk.do, TOOLS["score"], SCORE)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(Busy, match="3 requests are waiting already"):
                await desk.do(TOOLS["score"], SCORE)
            desk.gate.set()
        assert (desk.most, desk.done) == (2, 5)

    run(work)


def test_a_training_does_not_keep_answers_waiting() -> None:
    async def work() -> None:
        desk = slow(Limits(answers=1, trainings=1))
        async with anyio.create_task_group() as group:
            group.start_soon(desk.do, TOOLS["train"], LONG)
            group.start_soon(desk.do, TOOLS["score"], SCORE)
            await anyio.wait_all_tasks_blocked()
            assert desk.running == 2
            desk.gate.set()

    run(work)


def test_one_model_is_trained_once_at_a_time() -> None:
    async def work() -> None:
        desk = slow(Limits(trainings=2))
        async with anyio.create_task_group() as group:
            group.start_soon(desk.do, TOOLS["train"], LONG)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(Busy, match="'long' is in training"):
                await desk.do(TOOLS["train"], LONG)
            desk.gate.set()
        assert await desk.do(TOOLS["train"], LONG)  # and then it may be

    run(work)


def test_what_takes_too_long_is_stopped_and_its_place_is_free_again() -> None:
    async def work() -> None:
        desk = slow(Limits(answers=1, seconds=0.01))
        for _ in range(2):
            with pytest.raises(TookTooLong, match="more than 0.01 seconds .*: ask for less"):
                await desk.do(TOOLS["score"], SCORE)
        assert desk.running == 0

    run(work)


def test_time_spent_waiting_does_not_count() -> None:
    async def work() -> None:
        desk = slow(Limits(answers=1, seconds=0.2))
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0.0)
            for _ in range(2):
                group.start_soon(_refused_late, desk)

    async def _refused_late(desk: Slow) -> None:
        with pytest.raises(TookTooLong):
            await desk.do(TOOLS["score"], SCORE)

    run(work)


@pytest.mark.slow
def test_a_process_answers_and_its_refusal_is_the_asker_s(models: Path) -> None:
    async def work() -> None:
        desk = Desk(models, Limits())
        scores = await desk.do(TOOLS["score"], SCORE)
        assert isinstance(scores, messages.Scores) and len(scores.characters) == 5
        with pytest.raises(Refusal, match="there is no model 'none'"):
            await desk.do(TOOLS["score"], SCORE | {"model": "none"})

    run(work)


def die(folder: Path, request: messages.Request) -> None:
    os._exit(9)


@pytest.mark.slow
def test_a_process_that_dies_is_told_and_the_next_one_answers(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))  # the process looks for `die` in this file

    async def work() -> None:
        desk = Desk(models, Limits(answers=1))
        with pytest.raises(desks.Broken, match="has ended: perhaps memory ran out"):
            await desk.do(replace(TOOLS["score"], work=die), SCORE)
        assert await desk.do(TOOLS["score"], SCORE)

    run(work)


@pytest.mark.slow
def test_a_training_reports_its_steps_in_order_and_the_last(tmp_path: Path) -> None:
    async def work() -> list[messages.Progress]:
        reports: list[messages.Progress] = []

        async def report(progress: messages.Progress) -> None:
            reports.append(progress)

        request = {"name": "new", "dataset": "timezones", **SMALL}
        assert await Desk(tmp_path, Limits()).do(TOOLS["train"], request, report)
        return reports

    steps = [progress.step for progress in run(work)]
    assert steps == sorted(set(steps)) and steps[-1] == 7
