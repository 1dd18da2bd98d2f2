"""The names of all quantities of a run, with their shapes: what a trace may hold, and `conform check
--names` lists.

Matrices are row-major and have the names of SPEC.md, section 6; activations those of section 12, level 7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reference.microgpt import Config

KINDS = ("grad", "m", "v", "parameters")
REPLY = {"grad": "gradients", "m": "m", "v": "v", "parameters": "parameters"}
"""What a reply to `train` calls them."""
INIT = -1  # the step of the initial parameters
_NAME = re.compile(
    r"init\.(?P<init>.+)|step(?P<step>\d+)\.(?:(?P<loss>loss)|(?P<kind>grad|m|v|parameters)\.(?P<matrix>.+)"
    r"|(?P<activation>[a-z0-9_.]+)\.pos(?P<position>\d+))|sample(?P<sample>\d+)"
)


@dataclass(frozen=True)
class Quantity:
    """One named quantity. kind: init, a key of KINDS, loss, sample or activation. step: from 0; INIT before
    all.
    number: the position of an activation, the number of a sample (from 1). name: the matrix, or the
    activation.
    """

    kind: str
    step: int = INIT
    name: str = ""
    number: int = 0

    @property
    def words(self) -> str:
        match self.kind:
            case "init":
                return f"init.{self.name}"
            case "loss":
                return f"step{self.step}.loss"
            case "sample":
                return f"sample{self.number}"
            case "activation":
                return f"step{self.step}.{self.name}.pos{self.number}"
        return f"step{self.step}.{self.kind}.{self.name}"


def parse(name: str) -> Quantity | None:
    """The quantity of this name; None if no quantity is called so."""
    match = _NAME.fullmatch(name.strip())
    if match is None:
        return None
    step = int(match["step"] or 0)
    if match["init"]:
        return Quantity("init", INIT, match["init"])
    if match["sample"]:
        return Quantity("sample", 1 << 30, "", int(match["sample"]))
    if match["loss"]:
        return Quantity("loss", step)
    if match["kind"]:
        return Quantity(match["kind"], step, match["matrix"])
    return Quantity("activation", step, match["activation"], int(match["position"]))


def activations(config: Config) -> list[tuple[str, int]]:
    """Name and length of each activation at one position, in order; those of length 0 grow with the
    position.
    """
    e, size = config.embedding, config.embedding // config.heads
    listed = [("embedded", e), ("normed", e)]
    for i in range(config.layers):
        layer = f"layer{i}"
        listed += [(f"{layer}.{name}", e) for name in ("attn_norm", "q", "k", "v")]
        for head in range(config.heads):
            listed += [(f"{layer}.head{head}.{name}", 0) for name in ("scores", "weights")]
            listed.append((f"{layer}.head{head}.mixed", size))
        listed += [(f"{layer}.{name}", e) for name in ("attn_out", "attn_residual", "mlp_norm")]
        listed += [(f"{layer}.{name}", 4 * e) for name in ("hidden", "activated")]
        listed += [(f"{layer}.{name}", e) for name in ("mlp_out", "mlp_residual")]
    return [*listed, ("logits", config.vocabulary), ("probabilities", config.vocabulary), ("loss", 1)]


def shape(quantity: Quantity, config: Config) -> tuple[int, int] | None:
    """Rows and columns; (0, 0) for text; None if this model has no such quantity."""
    if quantity.kind == "sample":
        return (0, 0)
    if quantity.kind == "loss":
        return (1, 1)
    if quantity.kind == "activation":
        columns = dict(activations(config)).get(quantity.name)
        return (
            None
            if columns is None or quantity.number >= config.block
            else (1, columns or quantity.number + 1)
        )
    return {name: (rows, columns) for name, rows, columns in config.matrices()}.get(quantity.name)


def order(quantity: Quantity, config: Config) -> tuple[int, ...]:
    """A key that sorts quantities as the algorithm computes them."""
    stages = ("init", "activation", "loss", *KINDS, "sample")
    stage = stages.index(quantity.kind)
    if quantity.kind == "activation":
        place = [name for name, _ in activations(config)].index(quantity.name)
        return (quantity.step, stage, quantity.number, place)
    matrices = [name for name, _, _ in config.matrices()]
    place = matrices.index(quantity.name) if quantity.name in matrices else 0
    return (quantity.step, stage, quantity.number, place)


def listing(config: Config, steps: int, samples: int) -> Iterator[tuple[str, str, str]]:
    """Name, shape and meaning of everything, for people; S stands for a step, T for a position."""
    matrices = [(name, f"{rows} x {columns}") for name, rows, columns in config.matrices()]
    for name, size in matrices:
        yield f"init.{name}", size, "before the first step"
    for name, length in activations(config):
        yield f"stepS.{name}.posT", str(length or "T + 1"), "an activation of that step"
    yield "stepS.loss", "1", f"S from 0 to {steps - 1}"
    words = {
        "grad": "its gradient",
        "m": "Adam's m after it",
        "v": "Adam's v after it",
        "parameters": "after it",
    }
    for kind in KINDS:
        for name, size in matrices:
            yield f"stepS.{kind}.{name}", size, words[kind]
    yield "sampleN", "text", f"N from 1 to {samples}"
