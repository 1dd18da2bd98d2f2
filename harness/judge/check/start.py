"""What a program without Python's generator needs to begin where the reference begins: `conform start`.

The documents in the order of training, the initial parameters, and the uniform numbers that sampling draws:
the token is the first whose running sum of probabilities, over their total, exceeds the next of them
(SPEC.md, section 3, `choice`). As text, JSON, .npz, .safetensors or a C header.
"""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.errors import MachineFault
from harness.judge.check.setup import Setup
from harness.judge.check.traces import numbers
from reference.protocol.wire import hexadecimal

EXTRA = "pip install 'microgpt-conformance[check]'"


@dataclass(frozen=True)
class Start:
    """documents: those that training uses, in its order. tokens: the same, encoded, BOS at both ends. init:
    by matrix, row-major. uniforms: one for each token that is drawn, as many as all samples may need.
    """

    setup: Setup
    vocabulary: tuple[str, ...]
    documents: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    init: dict[str, list[list[float]]]
    uniforms: tuple[float, ...]

    @staticmethod
    def of(setup: Setup) -> Start:
        run = setup.begin()
        config = run.training.config
        used = tuple(run.documents[: setup.steps])
        return Start(
            setup,
            run.tokenizer.characters,
            used,
            tuple(tuple(run.tokenizer.encode(document)) for document in used),
            numbers(run.training.parameters),
            tuple(run.generator.random() for _ in range(setup.preset.samples * config.block)),
        )

    def settings(self) -> dict[str, object]:
        """All numbers of the run, by the names of SPEC.md."""
        config, optimizer = self.setup.preset.config, self.setup.preset.optimizer
        return {
            "preset": self.setup.name,
            "layers": config.layers,
            "heads": config.heads,
            "embedding": config.embedding,
            "block": config.block,
            "vocabulary_size": len(self.vocabulary) + 1,
            "activation": config.activation,
            "learning_rate": optimizer.learning_rate,
            "beta1": optimizer.beta1,
            "beta2": optimizer.beta2,
            "epsilon": optimizer.epsilon,
            "schedule": optimizer.schedule,
            "steps": optimizer.steps,
            "samples": self.setup.preset.samples,
            "temperature": self.setup.preset.temperature,
        }


def text(start: Start) -> bytes:
    """A line for each thing: its name, then its values, doubles as 16 hex digits."""
    lines = [f"{name} {value}" for name, value in start.settings().items()]
    lines.append(words("vocabulary", map(ord, start.vocabulary)))
    lines += [words(f"tokens{i}", row) for i, row in enumerate(start.tokens)]
    lines += [words(f"init.{name}", map(hexadecimal, flat(rows))) for name, rows in start.init.items()]
    lines.append(words("uniforms", map(hexadecimal, start.uniforms)))
    return "\n".join([*lines, ""]).encode()


def words(name: str, values: Iterable[object]) -> str:
    return " ".join([name, *map(str, values)])


def flat(rows: Sequence[Sequence[float]]) -> list[float]:
    return [x for row in rows for x in row]


def as_json(start: Start) -> bytes:
    made = {
        **start.settings(),
        "vocabulary": list(start.vocabulary),
        "documents": list(start.documents),
        "tokens": [list(row) for row in start.tokens],
        "init": start.init,
        "uniforms": list(start.uniforms),
    }
    return (json.dumps(made, ensure_ascii=False) + "\n").encode()


def arrays(start: Start) -> dict[str, object]:
    """As NumPy arrays: `tokens` is padded with -1, `lengths` counts without that. Raises MachineFault."""
    try:
        import numpy
    except ImportError:
        raise MachineFault("this form needs NumPy", hint=EXTRA) from None
    width = max(map(len, start.tokens))
    return {
        **{f"init.{name}": numpy.array(rows) for name, rows in start.init.items()},
        "tokens": numpy.array(
            [[*row, *[-1] * (width - len(row))] for row in start.tokens], dtype=numpy.int32
        ),
        "lengths": numpy.array([len(row) for row in start.tokens], dtype=numpy.int32),
        "uniforms": numpy.array(start.uniforms),
        "vocabulary": numpy.array([ord(c) for c in start.vocabulary], dtype=numpy.int32),
    }


def npz(start: Start) -> bytes:
    made = arrays(start)
    import numpy

    buffer = io.BytesIO()
    numpy.savez(buffer, **made)  # type: ignore[arg-type]
    return buffer.getvalue()


def safetensors(start: Start) -> bytes:
    made = arrays(start)
    try:
        from safetensors.numpy import save
    except ImportError:
        raise MachineFault("this form needs safetensors", hint=EXTRA) from None
    settings = {name: str(value) for name, value in start.settings().items()}
    return bytes(save(made, metadata=settings))  # type: ignore[arg-type]


def c_header(start: Start) -> bytes:
    """Constants in C99: doubles in hexadecimal, so that no bit is lost."""
    width = max(map(len, start.tokens))
    lines = [f"/* {start.setup.words}: written by conform start */", "#pragma once", ""]
    for name, value in start.settings().items():
        shown = f'"{value}"' if isinstance(value, str) else value.hex() if isinstance(value, float) else value
        lines.append(f"#define START_{name.upper()} {shown}")
    lines.append(f"#define START_DOCUMENTS {len(start.tokens)}")
    lines += _array(
        "int", "start_vocabulary", f"[{len(start.vocabulary)}]", map(str, map(ord, start.vocabulary))
    )
    lines += _array("int", "start_lengths", f"[{len(start.tokens)}]", (str(len(row)) for row in start.tokens))
    padded = (str(t) for row in start.tokens for t in [*row, *[-1] * (width - len(row))])
    lines += _array("int", "start_tokens", f"[{len(start.tokens)} * {width}]", padded)
    lines.append(f"#define START_TOKENS_WIDTH {width}")
    for name, rows in start.init.items():
        shape = f"[{len(rows)} * {len(rows[0])}]"
        lines += _array(
            "double", f"start_init_{name.replace('.', '_')}", shape, (x.hex() for x in flat(rows))
        )
    lines += _array("double", "start_uniforms", f"[{len(start.uniforms)}]", (x.hex() for x in start.uniforms))
    return "\n".join([*lines, ""]).encode()


def _array(kind: str, name: str, shape: str, values: Iterable[str]) -> list[str]:
    body = textwrap.wrap(", ".join(values), 110, break_on_hyphens=False)
    return ["", f"static const {kind} {name}{shape} = {{", *(f"    {row}" for row in body), "};"]


FORMS: dict[str, Callable[[Start], bytes]] = {
    "text": text,
    "json": as_json,
    "npz": npz,
    "safetensors": safetensors,
    "c": c_header,
}
ENDINGS = {".txt": "text", ".json": "json", ".npz": "npz", ".safetensors": "safetensors", ".h": "c"}
