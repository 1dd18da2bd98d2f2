"""Reads a trace: named quantities as text lines, JSON Lines, .npz or .safetensors."""

from __future__ import annotations

import io
import json
import math
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.doubles import double_of
from harness.errors import ManifestError
from harness.judge.check import names
from harness.judge.check.log import decoded, lines_of

BITS = re.compile(r"[0-9a-f]{16}")
HEX = re.compile(r"[-+]?0x[0-9a-f.]+p[-+]?\d+", re.IGNORECASE)
EXTRA = "pip install 'microgpt-conformance[check]'"


@dataclass(frozen=True)
class Written:
    """A quantity as it was written. shape: as far as the form tells it, else (). digits: how many
    significant digits
    its values have; 17 if they are whole doubles. width: float64 or float32. text: of a sample."""

    quantity: names.Quantity
    values: tuple[float, ...]
    shape: tuple[int, ...] = ()
    digits: int = 17
    width: str = "float64"
    text: str = ""


@dataclass(frozen=True)
class Trace:
    """What a trace holds, and what in it has a name that no quantity has."""

    written: tuple[Written, ...]
    unknown: tuple[str, ...]


def form(data: bytes, name: str) -> str:
    """npz, safetensors, jsonl, text, or '' if it is no trace."""
    if data[:4] == b"PK\x03\x04":
        return "npz"
    if name.endswith(".safetensors") or (len(data) > 9 and data[8:9] == b"{" and data[7:8] == b"\0"):
        return "safetensors"
    start = data[: 1 << 16].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] == b"{":
        return "jsonl"
    first = (
        line.split(None, 1)[0].rstrip(":=").strip()
        for line in start.decode("latin-1").split("\n")[:200]
        if line.strip()
    )
    return "text" if any(names.parse(word) for word in first) and b" " in start[:4096] + b" " else ""


def read(data: bytes, name: str) -> Trace:
    """Raises ManifestError, in a sentence, for what is no trace."""
    pairs: Pairs
    match form(data, name):
        case "npz":
            pairs = _npz(data, name)
        case "safetensors":
            pairs = _safetensors(data, name)
        case "jsonl":
            pairs = _json_lines(decoded(data, name), name)
        case _:
            pairs = _text(decoded(data, name), name)
    written: dict[str, Written] = {}
    unknown: list[str] = []
    for key, made in pairs:
        quantity = names.parse(key)
        if quantity is None:
            unknown.append(key)
        elif quantity.words in written:
            raise ManifestError(f"{name} holds {quantity.words} twice: give one run at a time")
        else:
            written[quantity.words] = made(quantity)
    if not written:
        known = "such as init.wte, step0.loss or step0.grad.wte: conform check --names lists them"
        which = f"; it names {unknown[0]!r}" if unknown else ""
        raise ManifestError(f"{name} has no quantity of a known name, {known}{which}")
    return Trace(tuple(written.values()), tuple(unknown))


Made = Any  # a function from a quantity to what was written of it
Pairs = Iterable[tuple[str, Made]]


def _text(text: str, name: str) -> Pairs:
    for number, line in enumerate(lines_of(text), start=1):
        words = line.replace("=", " ").replace(":", " ").split()
        if not words or words[0].startswith("#"):
            continue
        if (quantity := names.parse(words[0])) is not None and quantity.kind == "sample":
            yield words[0], _sample(line.split(words[0], 1)[1].strip(" :=").strip("'\""))
            continue
        if quantity is None:
            yield words[0], None
            continue
        yield words[0], _made(words[1:], f"line {number} of {name}")


def _json_lines(text: str, name: str) -> Pairs:
    """Objects {"name": ..., "values": ...}, with a shape or without, or {name: values, ...}; one, or one on
    a line.
    """
    try:
        objects = [json.loads(text)]
    except ValueError:
        objects = []
        for number, line in enumerate(lines_of(text), start=1):
            if line.strip():
                try:
                    objects.append(json.loads(line))
                except ValueError:
                    raise ManifestError(
                        f"line {number} of {name} is not JSON: {line.strip()[:60]!r}"
                    ) from None
    for one in objects:
        if not isinstance(one, dict):
            raise ManifestError(f"{name} holds JSON that is no object: {str(one)[:60]!r}")
        if isinstance(one.get("name"), str) and ("values" in one or "value" in one):
            shape = tuple(one["shape"]) if isinstance(one.get("shape"), list) else ()
            one = {one["name"]: (one.get("values", one.get("value")), shape)}
        for key, value in one.items():
            values, shape = value if isinstance(value, tuple) else (value, ())
            if isinstance(values, str) and key.startswith("sample"):
                yield key, _sample(values)
            else:
                flat, found = _flat(values)
                yield key, _made(flat, f"{key} in {name}", shape or found)


def _flat(values: object) -> tuple[list[object], tuple[int, ...]]:
    """Nested lists as one, and their shape."""
    shape: list[int] = []
    while isinstance(values, list) and values and isinstance(values[0], list):
        shape.append(len(values))
        values = [x for row in values for x in (row if isinstance(row, list) else [row])]
    listed = values if isinstance(values, list) else [values]
    whole = math.prod(shape) or 1
    return listed, (*shape, len(listed) // whole) if shape else ()


def _made(words: Sequence[object], where: str, shape: tuple[int, ...] = ()) -> Made:
    """Numbers in any of the three ways: 16 hex digits, C's %a, decimals."""
    values: list[float] = []
    digits = 0
    for word in words:
        if isinstance(word, str) and BITS.fullmatch(word):
            values.append(double_of(word))
            digits = 17
        elif isinstance(word, str) and HEX.fullmatch(word):
            values.append(float.fromhex(word))
            digits = 17
        else:
            try:
                values.append(float(word))  # type: ignore[arg-type]
            except (TypeError, ValueError):
                raise ManifestError(
                    f"{where} has {str(word)[:40]!r}, no number: 16 hex digits, C's %a or a decimal are"
                ) from None
            mantissa = re.split("[eE]", repr(word) if isinstance(word, float) else str(word))[0]
            digits = max(digits, len(mantissa.replace(".", "").lstrip("-+0")))
    if not values:
        raise ManifestError(f"{where} has a name and no numbers")
    exact = 17 if digits >= 15 else digits
    return lambda quantity: Written(quantity, tuple(values), shape, exact)


def _sample(text: str) -> Made:
    return lambda quantity: Written(quantity, (), (), text=text)


def _npz(data: bytes, name: str) -> Iterator[tuple[str, Made]]:
    try:
        import numpy
    except ImportError:
        raise ManifestError(f"{name} is an .npz, which NumPy reads: {EXTRA}") from None
    try:
        with numpy.load(io.BytesIO(data), allow_pickle=False) as arrays:
            for key in arrays.files:
                yield key, _array(arrays[key], f"{key} in {name}")
    except (ValueError, OSError, EOFError, KeyError) as problem:
        raise ManifestError(f"{name} is no sound .npz: {problem}") from None
    except Exception as problem:  # zipfile has errors of its own
        if isinstance(problem, ManifestError):
            raise
        raise ManifestError(f"{name} is no sound .npz: {problem}") from None


def _safetensors(data: bytes, name: str) -> Iterator[tuple[str, Made]]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError:
        raise ManifestError(f"{name} is a .safetensors, which safetensors and NumPy read: {EXTRA}") from None
    try:
        arrays = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, struct.error) as problem:
        raise ManifestError(f"{name} is no sound .safetensors: {problem}") from None
    for key, array in arrays.items():
        yield key, _array(array, f"{key} in {name}")


def _array(array: Any, where: str) -> Made:
    """A NumPy array. Text is a sample; float32 and smaller stand as they are."""
    if array.dtype.kind in "US":
        return _sample(str(array.reshape(-1)[0]) if array.size else "")
    if array.dtype.kind not in "fiu":
        raise ManifestError(f"{where} has the type {array.dtype}, and numbers are floats")
    width = "float64" if array.dtype.itemsize == 8 else "float32"
    values = tuple(float(x) for x in array.reshape(-1))
    return lambda quantity: Written(quantity, values, tuple(array.shape), 17, width)
