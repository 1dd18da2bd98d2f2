"""All trials of a plan, run on every core, and what they come to: results/science/seed_quality.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from harness import paths
from harness.errors import ManifestError
from harness.files import write_whole
from harness.judge.check.engine import fastest
from reference.app.engine import Engine
from science.seed_quality import summary
from science.seed_quality.plan import Plan, Trial
from science.seed_quality.store import Store
from science.seed_quality.trial import Json, computer

FILE = "seed_quality.json"
Done = Callable[[Trial, int, int], None]
"""Is told the trial that was finished, and how many of how many are done."""


def file() -> Path:
    return paths.results_dir() / "science" / FILE


def load() -> Json | None:
    """What was kept; None if nothing was."""
    try:
        found: Json = json.loads(file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ManifestError(f"{paths.shown(file())} is not a JSON file: {error}") from None
    return found


def text_of(found: Json) -> str:
    """One line for each row of a table, so that a change of a figure is a changed line."""
    parts = []
    for key, value in found.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in value)
            parts.append(f' "{key}": [\n  {rows}\n ]')
        else:
            parts.append(f' "{key}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def save(found: Json) -> Path:
    return write_whole(file(), text_of(found))


def carry_out(plan: Plan, jobs: int, store: Store, done: Done) -> Json:
    """Run what the store lacks, on `jobs` engines at once, and sum up.

    The order in which trials end changes no figure. Raises ConformError if an engine fails.
    """
    trials = list(dict.fromkeys(plan.trials()))
    missing = [one for one in trials if store.get(one) is None]
    with ExitStack() as stack:
        engines = SimpleQueue[Engine]()
        for _ in range(min(jobs, len(missing))):
            engines.put(computer(stack.enter_context(fastest())))

        def run(one: Trial) -> Json:
            engine = engines.get()
            try:
                return one.run(plan, engine)
            finally:
                engines.put(engine)

        for number, (one, row) in enumerate(_finished(run, missing, jobs), start=1):
            store.add(one, row)
            done(one, len(trials) - len(missing) + number, len(trials))
    return summary.of(plan, store.rows_of(trials))


def _finished(
    run: Callable[[Trial], Json], trials: Sequence[Trial], jobs: int
) -> Iterator[tuple[Trial, Json]]:
    """Each trial as it ends. Whoever stops early leaves the rest undone; what runs ends with its engine."""
    pool = ThreadPoolExecutor(jobs)
    try:
        futures: dict[Future[Json], Trial] = {pool.submit(run, one): one for one in trials}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
