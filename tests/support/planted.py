"""The JavaScript port with mistakes planted into its source: those of public programs, in a program that
shares no line with the reference or with the engine that measures chances.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from harness import paths

OWN_NUMBERS = ("new MersenneTwister(42", "new MersenneTwister(Number(process.env.SEED)")
"""Random numbers of its own, from a seed in the environment."""
MISTAKES: dict[str, tuple[tuple[str, str], ...]] = {
    "no-bias-correction": (("m[i] / correction1", "m[i]"), ("v[i] / correction2", "v[i]")),
    "schedule-one-step-on": (
        ("learning_rate * (1 - step / steps)", "learning_rate * (1 - (step + 1) / steps)"),
    ),
    "norm-without-division-by-n": (("tape.leaf(maths.pow(embedding, -1))", "tape.leaf(1)"),),
    "keys-and-values-without-history": (
        (
            "const keys = attention[t].map((position) => this.keys[i][position]);",
            "const plain = (from) => tape.vector(embedding, (j) => tape.leaf(tape.data[from + j]));\n"
            "    const keys = attention[t].map((p) => (p === t ? k : plain(this.keys[i][p])));",
        ),
        (
            "const values = attention[t].map((position) => this.values[i][position]);",
            "const values = attention[t].map((p) => (p === t ? v : plain(this.values[i][p])));",
        ),
    ),
    "betas-of-libraries": (
        (
            "const { beta1, beta2, epsilon } = optimizer;",
            "const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];",
        ),
        ("1 - maths.pow(beta1, step + 1)", "1 - maths.pow(0.9, step + 1)"),
        ("1 - maths.pow(beta2, step + 1)", "1 - maths.pow(0.999, step + 1)"),
    ),
    "documents-cut-by-one": (("...document.map(", "...document.slice(0, -1).map("),),
    "documents-not-shuffled": (("generator.shuffle(documentsOf(lines))", "documentsOf(lines)"),),
    "temperature-unused": (("maths.pow(temperature, -1)", "1"),),
    "summed-loss": (("tape.leaf(1 / count)", "tape.leaf(1)"),),
    "tied-embeddings": (("this.#linear('lm_head', x)", "this.#linear('wte', x)"),),
    "gradients-not-reset": (
        ("grad.fill(0, 0, this.size);", "grad.fill(0, this.kept ?? 0, this.size);"),
        (
            "this.parameterCount = parameters.length;",
            "this.tape.kept = this.parameterCount = parameters.length;",
        ),
    ),
    "sigma-of-another-version": (("return 0 + z * sigma;", "return 0 + z * (sigma / 4);"),),
}


def build(folder: Path, *changes: tuple[str, str]) -> Path:
    """A copy of the port with these changes, each of which must fit once. Returns its main.js."""
    target = folder / "port"
    shutil.copytree(paths.ports_dir() / "javascript", target)
    source = target / "microgpt.js"
    text = source.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    source.write_text(text, encoding="utf-8")
    return target / "main.js"


def printed(main: Path, names: bytes, preset: str = "classic", seed: int = 7) -> str:
    """What it prints."""
    run = subprocess.run(
        ["node", str(main), "run", preset],
        input=names,
        capture_output=True,
        check=False,  # a wrong one may well fail at its end
        env={**os.environ, "SEED": str(seed)},
    )
    return run.stdout.decode()
