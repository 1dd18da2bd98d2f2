"""Finished trials, one JSON line each, so that a study that was stopped goes on where it stood.

The file's name holds a hash of everything that the figures depend on: other code or other sets, another file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness import paths
from harness.errors import MachineFault
from reference import microgpt
from reference.app import garden, validity
from science.seed_quality import ngram, sets, spoiling, trial
from science.seed_quality.plan import Plan, Trial
from science.seed_quality.trial import Json

MODULES = (sets, spoiling, ngram, trial, garden, validity, microgpt)


class Store:
    """Rows by trial. Not for several processes at once."""

    def __init__(self, plan: Plan) -> None:
        self.path = paths.cache_dir() / "seed_quality" / f"{fingerprint(plan)}.jsonl"
        self.rows = dict(self._read())

    def _read(self) -> Iterator[tuple[str, Json]]:
        """What a killed run left: its last line may be half a line, and is done again."""
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
                yield key_of(entry["trial"]), entry["row"]
            except (ValueError, KeyError, TypeError):
                continue

    def get(self, one: Trial) -> Json | None:
        return self.rows.get(key_of(one.key()))

    def rows_of(self, trials: Iterable[Trial]) -> dict[Trial, Json]:
        """Raises KeyError if one is missing."""
        return {one: self.rows[key_of(one.key())] for one in trials}

    def add(self, one: Trial, row: Json) -> None:
        """Raises MachineFault if it cannot be kept."""
        key = one.key()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps({'trial': key, 'row': row})}")
        except OSError as error:
            raise MachineFault(
                f"{paths.shown(self.path)} cannot be written: {error.strerror}", code="unwritable"
            ) from None
        self.rows[key_of(key)] = row

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.rows.clear()


def key_of(trial: Json) -> str:
    return json.dumps(trial, sort_keys=True)


def fingerprint(plan: Plan) -> str:
    """A hash of the code that makes the figures, of the garden's lines, and of steps and samples."""
    found = hashlib.sha256(f"{plan.steps} {plan.samples}".encode())
    files = [Path(module.__file__ or "") for module in MODULES]
    for path in (*files, *sorted(garden.FOLDER.glob("*.txt"))):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
