"""What the page that trains loads: the engine in a worker, its views, and what the original computed.

The goldens are those of reference/witness: the bits of every loss and checksums of every step, which the
original program computed, and neither the reference nor a port.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from harness import paths
from harness.explain.mutants import replays
from harness.report.site import browser, engine
from reference import microgpt

STEM = "train"
PORT = ("exact", "microgpt")  # the JavaScript port's own modules
# What a module imports stands before it.
WORKER = (*("run", "port", "race", "sha256", "model"), *("fallback", "record", "landscape", "gpu", "work"))
PAGE = (
    *("doubles", "heat", "frame", "chart", "loss", "names", "player", "parameters", "attention", "product"),
    *("workers", "mistakes", "beside", "own", "edges", "fan", "graph", "plane", "page"),
)
MISTAKES = (
    *("no-bias-correction", "rate-and-correction-one-step-on", "betas-of-libraries"),
    *("adam-eps-inside-the-root", "schedule-constant", "gradients-not-reset", "pow-slope-without-exponent"),
    *("keys-and-values-without-history", "scale-missing", "norm-without-division-by-n"),
    *("attention-residual-missing", "feed-forward-residual-missing", "position-missing"),
    *("activation-of-another-version", "summed-loss", "target-is-the-current-token"),
    *("sigma-of-another-version", "float32-parameters"),
)
"""What static/train/mistakes.js makes of the JavaScript port, in the order in which it is offered."""
PRODUCTS = (
    "q = wq · x",
    "k = wk · x",
    "v = wv · x",
    "out = wo · mixed",
    "hidden = fc1 · x",
    "mlp = fc2 · activated",
    "logits = lm_head · x",
)
"""The seven products of a position, in the order of static/train/product.js."""
DRAWS_EVERY = 50
"""Steps between two sets of samples, as in static/train/run.js."""
_OWN = Path(__file__).parent / "static" / "train"


def worker_script() -> str:
    """The worker's whole program as the function `trainWorker`, whose text is what the worker runs."""
    return "".join(
        [
            "/* Made from engine.js, the JavaScript port and modules of static/train. Workers are started\n",
            "   from the text of this function. */\nfunction trainWorker() {\n",
            "'use strict';\nconst modules = {};\n",
            engine.script(),
            (_OWN / "d3-contour.js").read_text(encoding="utf-8"),
            *map(_ported, PORT),
            *map(_module, WORKER),
            "}\n",
        ]
    )


def page_script() -> str:
    """The page's program, its modules as functions: a page from a file may load none."""
    return "".join(
        [
            "/* The page that trains: made from static/train and the JavaScript port's exact.js. */\n",
            "'use strict';\nconst packedData = new Map();\n",
            "function golden(name, text) { packedData.set(name, text); }\n",
            "(() => {\nconst modules = {};\n",
            _ported("exact"),
            *map(_module, PAGE),
            "})();\n",
        ]
    )


@cache
def data_script() -> str:
    return browser.packed(STEM, {"names": _reference("garden/names.txt"), "steps": golden_steps()})


def golden_steps() -> str:
    """A line a step: the bits of the loss, the checksums of gradients, m, v, parameters; 16 digits each."""
    lines = []
    for line in _reference("witness/steps.txt").splitlines():
        _, loss, *sums = line.split(" ")
        checksums = ["".join(sums[at + 1 : at + 3]) for at in range(0, len(sums), 3)]
        lines.append(" ".join([loss, *checksums]))
    return "\n".join(lines)


def mistakes() -> list[tuple[str, str]]:
    """Each of MISTAKES with the words for it."""
    known = replays.stored("classic", len(microgpt.documents_of(_reference("garden/names.txt").splitlines())))
    return [(name, known[name]["what"]) for name in MISTAKES]


def _reference(name: str) -> str:
    return files("reference").joinpath(name).read_text(encoding="utf-8")


def _ported(name: str) -> str:
    source = (paths.ports_dir() / browser.PORT / f"{name}.js").read_text(encoding="utf-8")
    return browser.module(f"{name}.js", source)


def _module(name: str) -> str:
    """A module of static/train without the comment at its head: the page is to be light."""
    text = (_OWN / f"{name}.js").read_text(encoding="utf-8")
    return browser.module(f"{name}.js", re.sub(r"\A/\*.*?\*/\s*", "", text, flags=re.DOTALL))
