"""Compiles engine.c for a preset, and calls it."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness import paths
from harness.errors import MachineFault
from reference import microgpt

SOURCE = Path(__file__).with_name("engine.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC")
LINK = ("-shared", "-Wl,-Bsymbolic")
"""Without -ffast-math: linked with it, a library makes the whole process flush subnormal numbers to zero."""
DOUBLES = ("sigma", "output_sigma", "rate", "beta1", "beta2", "epsilon", "decay", "temperature", "average")
WHOLES = (
    *("documents", "norm", "first_norm", "final_norm", "activation", "loss", "correction", "schedule"),
    *("reset", "history", "attention_residual", "feed_forward_residual", "positions", "scaled", "tied"),
    *("bos_before", "bos_after", "cut", "adam", "uniform", "epsilon_inside", "current_target"),
)
LISTS = ("gradients", "m", "v", "parameters")


class Settings(ctypes.Structure):
    """The struct of the same name in engine.c."""

    _fields_ = [(name, ctypes.c_double) for name in DOUBLES] + [(name, ctypes.c_int32) for name in WHOLES]


def settings(preset: microgpt.Preset, **changes: float) -> Settings:
    """Those of a right program, with changes."""
    optimizer, config = preset.optimizer, preset.config
    usual: dict[str, float] = dict.fromkeys(WHOLES, 0) | dict.fromkeys(DOUBLES, 0.0)
    usual |= dict.fromkeys(("first_norm", "reset", "history", "attention_residual", "positions", "scaled"), 1)
    usual |= dict.fromkeys(("feed_forward_residual", "bos_before", "bos_after", "adam"), 1)
    usual |= {
        "sigma": preset.sigma,
        "output_sigma": preset.output_sigma,
        "rate": optimizer.learning_rate,
        "beta1": optimizer.beta1,
        "beta2": optimizer.beta2,
        "epsilon": optimizer.epsilon,
        "temperature": preset.temperature,
        "activation": ("relu", "squared_relu").index(config.activation),
        "schedule": ("linear", "cosine").index(optimizer.schedule),
    }
    return Settings(**(usual | changes))


@cache
def library(preset: str, real: str = "double") -> ctypes.CDLL:
    """engine.c for the shape of this preset, in `double` or `float`. Raises MachineFault without a
    compiler.
    """
    config = microgpt.PRESETS[preset].config
    shape = {"EMBEDDING": config.embedding, "HEADS": config.heads, "BLOCK": config.block, "REAL": real}
    options = [*FLAGS, *(f"-D{name}={value}" for name, value in shape.items())]
    digest = hashlib.sha256(SOURCE.read_bytes() + " ".join(options).encode()).hexdigest()[:12]
    target = paths.cache_dir() / "chances" / f"engine-{preset}-{real}-{digest}.so"
    if not target.exists():
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise MachineFault("there is no C compiler here", hint="on Debian: apt-get install gcc libc6-dev")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".o")
        subprocess.run([compiler, *options, "-c", str(SOURCE), "-o", str(part)], check=True)
        subprocess.run([compiler, *LINK, str(part), "-o", str(target), "-lm"], check=True)
    loaded = ctypes.CDLL(str(target))
    loaded.begin.restype = ctypes.c_void_p
    loaded.train_step.restype = ctypes.c_double
    return loaded


def encoded(documents: Sequence[str], characters: Sequence[str]) -> list[Any]:
    """Documents as arrays of letters, BOS not included."""
    index = {character: i for i, character in enumerate(characters)}
    return [array("H", [index[c] for c in document]) for document in documents]


@dataclass(frozen=True)
class Corpus:
    """All documents in the form that the engine takes."""

    documents: int
    vocabulary: int
    starts: Any
    letters: Any

    @staticmethod
    def of(documents: Sequence[str]) -> Corpus:
        characters = microgpt.Tokenizer.of(documents).characters
        starts, letters = array("i", [0]), array("H")
        for letter in encoded(documents, characters):
            letters.extend(letter)
            starts.append(len(letters))
        c_starts = (ctypes.c_int32 * len(starts)).from_buffer(starts)
        c_letters = (ctypes.c_uint16 * len(letters)).from_buffer(letters)
        return Corpus(len(documents), len(characters) + 1, c_starts, c_letters)


def run(preset: str, chosen: Settings, corpus: Corpus, seed: int) -> tuple[array[float], list[list[int]]]:
    """The losses and the samples (as tokens) of a whole run with random numbers of its own."""
    whole = microgpt.PRESETS[preset]
    steps, count, width = whole.optimizer.steps, whole.samples, whole.config.block + 1
    losses = (ctypes.c_double * steps)()
    texts = (ctypes.c_int16 * (count * width))()
    library(preset).run(
        *(ctypes.byref(chosen), ctypes.c_uint64(seed), corpus.vocabulary, steps, corpus.documents),
        *(corpus.starts, corpus.letters, count, losses, texts),
    )
    rows = [list(texts[i * width : (i + 1) * width]) for i in range(count)]
    return array("d", losses), [row[1 : row[0] + 1] for row in rows]


class Model:
    """One training, step by step, from given parameters: for validation and for bounds."""

    def __init__(
        self, preset: str, chosen: Settings, vocabulary: int, parameters: Sequence[float], real: str
    ):
        self._library = library(preset, real)
        self._count, self._vocabulary = len(parameters), vocabulary
        steps = microgpt.PRESETS[preset].optimizer.steps
        self._model = ctypes.c_void_p(self._library.begin(ctypes.byref(chosen), vocabulary, steps))
        self._library.put(
            self._model, LISTS.index("parameters"), (ctypes.c_double * self._count)(*parameters)
        )

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.finish(self._model)

    def train_step(self, letters: Any) -> float:
        """One step on a document; its loss."""
        taken = (ctypes.c_uint16 * len(letters)).from_buffer(letters)
        return float(self._library.train_step(self._model, taken, len(letters)))

    def get(self, which: str) -> list[float]:
        """Gradients, m, v or parameters after the last step."""
        out = (ctypes.c_double * self._count)()
        self._library.get(self._model, LISTS.index(which), out)
        return list(out)

    def logits(self, position: int) -> list[float]:
        out = (ctypes.c_double * self._vocabulary)()
        self._library.get_logits(self._model, position, out)
        return list(out)
