"""Small models for laws, made by a generator of Python's: two shapes, both activations."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from science.laws.asking import Model, Rows, Shape, Tensors

SIGMA = 0.5
"""Of the parameters: so large that no activation is near its linear part."""


def drawn(shape: Shape, seed: int) -> Model:
    """A model of this shape, its parameters normal with SIGMA."""
    draw = random.Random(seed)
    tensors = {
        name: [[draw.gauss(0.0, SIGMA) for _ in range(columns)] for _ in range(rows)]
        for name, (rows, columns) in shape.matrices().items()
    }
    return Model.of(shape, tensors)


SMALL = drawn(Shape(1, 2, 4, 4, 5), seed=1)
TWO_LAYERS = drawn(Shape(2, 2, 4, 5, 6, "squared_relu"), seed=2)
WIDE = drawn(Shape(1, 3, 6, 6, 9, "squared_relu"), seed=3)
DEEP = drawn(Shape(3, 1, 2, 4, 4), seed=4)
DOCUMENTS = 2  # for each model; the hunt for mistakes is content with one
MODELS = (SMALL, TWO_LAYERS, WIDE, DEEP)


def document(model: Model, seed: int = 0) -> list[int]:
    """As many tokens as fill the block: BOS, letters that differ where they can, BOS."""
    letters = list(range(model.vocabulary - 1))
    random.Random(seed).shuffle(letters)
    inner = (letters * model.block)[: model.block - 1]
    return [model.vocabulary - 1, *inner, model.vocabulary - 1]


def cases() -> Iterator[tuple[str, Model, list[int]]]:
    """(name, model, document): every model with each of its documents."""
    for index, model in enumerate(MODELS):
        for seed in range(DOCUMENTS):
            yield f"model {index}, document {seed}", model, document(model, seed)


def with_tensor(model: Model, name: str, rows: Rows) -> Model:
    return replace(model, tensors={**model.tensors, name: rows})


def with_tensors(model: Model, changed: Tensors) -> Model:
    return replace(model, tensors={**model.tensors, **changed})


def scaled(rows: Rows, factor: float) -> Rows:
    return [[factor * value for value in row] for row in rows]


def zeros(rows: Rows) -> Rows:
    return [[0.0] * len(row) for row in rows]


def moved(model: Model, name: str, row: int, column: int, by: float) -> Model:
    """The model with one parameter changed."""
    rows = [list(each) for each in model.tensors[name]]
    rows[row][column] += by
    return with_tensor(model, name, rows)


def column(rows: Rows, index: int) -> list[float]:
    return [row[index] for row in rows]


def taken(values: Sequence[float], order: Sequence[int]) -> list[float]:
    return [values[index] for index in order]
