"""The measured tolerances, `conformance/tolerance.json`: how far each quantity of each case moves.

Not for measuring (`tolerance.py`) nor for judging by them (`harness/judge/tolerance.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.messages import Reply, Request
from conformance.spread import Spread

RUNS, SEED = 16, 42

BOUNDS = Path(__file__).parent / "tolerance.json"


class BrokenBounds(ValueError):
    """`tolerance.json` is not of its form."""


@dataclass(frozen=True)
class Bounds:
    """What conformance/tolerance.json holds: `digests` by the case's id, `spreads` by digest."""

    runs: int
    seed: int
    digests: Mapping[str, str]
    spreads: Mapping[str, Spread]


def digest(request: Request, golden: Reply) -> str:
    """Names a request with its golden trace: if either changes, the spread must be measured again."""
    return hashlib.sha256(f"{request.text()}{golden.text()}".encode()).hexdigest()[:16]


def load() -> Bounds:
    """Raises BrokenBounds if the file is not of its form."""
    if not BOUNDS.exists():
        return Bounds(0, 0, {}, {})
    try:
        content = json.loads(BOUNDS.read_text(encoding="utf-8"))
        cases = content["cases"]
        return Bounds(
            content["runs"],
            content["seed"],
            {name: case["digest"] for name, case in cases.items()},
            {case["digest"]: case["spread"] for case in cases.values()},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenBounds(
            f"conformance/tolerance.json does not hold the tolerances: {error!r}; "
            "make tolerance FORCE=1 LONG=1 measures them again"
        ) from None


def file_hash() -> str:
    """What a verdict within a tolerance depends on, besides the suite and the judging code."""
    return hashlib.sha256(BOUNDS.read_bytes()).hexdigest() if BOUNDS.exists() else ""
