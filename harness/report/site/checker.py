"""What the page that judges outputs loads: `conform check` in JavaScript, and what is stored for it.

Its modules, static/check/, follow those of harness/judge/check; tests hold them to the same verdicts.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

from harness.explain.mutants import replays
from harness.judge.check import agreement, chances, goldens
from harness.report.site import browser
from reference import microgpt

MODULES = (  # in the order in which they import each other
    *("text", "log", "agreement", "statistics", "chances", "mutants", "own", "logs"),
    *("names", "arrays", "tracefile", "golden", "traces", "judge", "work"),
)
PAGE = ("text", "curve", "page")
STEM = "check"
_OWN = Path(__file__).parent / "static" / "check"


def worker_script() -> str:
    """The worker's whole program as the function `checkWorker`."""
    own = [_OWN / f"{name}.js" for name in MODULES]
    return browser.worker_function("checkWorker", "the modules of static/check", own)


def page_script() -> str:
    """What draws the page, its modules as functions, too: a page from a file may load none."""
    made = [browser.module(f"{name}.js", (_OWN / f"{name}.js").read_text(encoding="utf-8")) for name in PAGE]
    return "".join(
        [
            "/* The page that judges outputs: made from text.js, curve.js and page.js of static/check. */\n",
            "'use strict';\nconst packedData = new Map();\n",
            "function golden(name, text) { packedData.set(name, text); }\n",
            "(() => {\nconst modules = {};\n",
            *made,
            "})();\n",
        ]
    )


@cache
def data_script() -> str:
    return browser.packed(STEM, data())


def data() -> dict[str, Any]:
    """All that is stored: the runs in the order in which `conform check` tries an unknown log with them."""
    garden = goldens.of_garden()
    kept = sorted(goldens.stored(), key=lambda one: one.dataset.sha256 == garden.sha256)
    return {
        "bounds": json.loads((agreement.FOLDER / "bounds.json").read_text(encoding="utf-8")),
        "documents": microgpt.documents_of(garden.lines),
        "runs": [_run(one, one.dataset.sha256 == garden.sha256) for one in kept],
    }


def _run(kept: goldens.Stored, has_documents: bool) -> dict[str, Any]:
    stem = f"{kept.preset}-{kept.dataset.documents}"
    stored = json.loads((goldens.FOLDER / f"golden-{stem}.json").read_text(encoding="utf-8"))
    return {
        "preset": kept.preset,
        "dataset": kept.dataset.name,
        "documents": kept.dataset.documents,
        "hasDocuments": has_documents,
        "steps": len(kept.golden.losses),
        "vocabulary": len(kept.vocabulary) + 1,
        "parameters": kept.parameters,
        "losses": stored["losses"],
        "samples": list(kept.golden.samples or ()),
        "replays": {
            name: _finite(row) for name, row in replays.stored(kept.preset, kept.dataset.documents).items()
        },
        "chances": json.loads((chances.FOLDER / f"chances-{stem}.json").read_text(encoding="utf-8")),
    }


def _finite(row: replays.Replay) -> replays.Replay:
    """JSON has no NaN: null stands for it."""
    if "losses" not in row:
        return row
    losses = {step: loss if math.isfinite(loss) else None for step, loss in row["losses"].items()}
    return {**row, "losses": losses}
