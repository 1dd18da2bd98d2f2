"""Models as JSON files that keep every bit: the format, saving and loading. Not here: training and sampling.

The format, version 1. A row of numbers is one string of words with single spaces between them, as it is on
the wire (SPEC.md, section 11): a double is its 16 hex digits, a whole number is decimal.

    format, version      "microgpt model" and 1
    trained_on           the dataset: file (name only), sha256, documents, characters
    preset, seed, math   as they were given to `microgpt train`
    characters           the tokens 0, 1, 2, … as one string; BOS is the token after the last
    config               layers, heads, embedding, block, vocabulary, activation; attention: a row a position
    optimizer            learning_rate, beta1, beta2, epsilon (JSON numbers), schedule, steps
    steps_done           how many of the steps are done; training goes on from here
    last_losses          the row of the last losses, 100 at the most, the latest at the end
    parameters, m, v     the parameters and Adam's moments: for each matrix its rows, in order
    generator            the stream of random numbers: words (a row of 624), index, kept (a double or null)

All numbers are finite. The same training gives the same bytes, interrupted and resumed or not.
"""

import json
import math
import os
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from reference import microgpt
from reference.app.dataset import Dataset
from reference.app.refusal import Refusal
from reference.protocol.wire import DECIMAL, DOUBLE, hexadecimal

FORMAT = "microgpt model"
VERSION = 1
LOSSES_KEPT = 100
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class TrainedOn:
    """What is kept of a dataset."""

    file: str
    sha256: str
    documents: int
    characters: int

    @staticmethod
    def of(dataset: Dataset) -> "TrainedOn":
        return TrainedOn(dataset.name, dataset.sha256, dataset.documents, dataset.characters)


@dataclass
class Model:
    """A training run, finished or not, with all that it takes to go on or to draw samples."""

    trained_on: TrainedOn
    preset: str
    seed: int
    math: str
    tokenizer: microgpt.Tokenizer
    training: microgpt.Training
    generator: microgpt.Generator
    last_losses: list[float]

    @property
    def steps(self) -> int:
        return self.training.optimizer.steps

    @property
    def finished(self) -> bool:
        return self.training.step == self.steps

    def add_loss(self, loss: float) -> None:
        self.last_losses = [*self.last_losses, loss][-LOSSES_KEPT:]


# ---------------------------------------------------------------- saving


def check_target(path: Path) -> bool:
    """Whether `path` exists. Raises Refusal if no model could be saved there. Leaves nothing behind."""
    try:
        exists = path.exists()
        if exists and not path.is_file():
            kind = "a directory" if path.is_dir() else "not a regular file"
            raise Refusal(f"cannot save the model as {path}, which is {kind}: name a file such as model.json")
        part = temporary_name(path)
        part.touch()
        part.unlink()
    except OSError as problem:
        raise Refusal(f"cannot save the model as {path}: {problem.strerror}") from None
    return exists


def temporary_name(path: Path) -> Path:
    """A file in the folder where `path` really lies, so that the one can take the other's place at once."""
    return path.resolve().with_name(f".microgpt-{os.getpid()}.part")


def save(model: Model, path: Path) -> None:
    """Write the file beside its place, then move it there: if this is cut short, the old file is whole.

    Raises Refusal if a number is not finite or the file cannot be written.
    """
    text = json.dumps(to_json(model), indent=1) + "\n"
    part = temporary_name(path)
    try:
        with part.open("w", encoding="ascii", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path.resolve())
    except OSError as problem:
        raise Refusal(f"cannot save the model as {path}: {problem.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def to_json(model: Model) -> dict[str, Any]:
    training = model.training
    _, state, kept = model.generator.getstate()
    config = asdict(training.config) | {"attention": [row(str, p) for p in training.config.attention]}
    numbers = [value.data for value in microgpt.flatten(training.parameters)]
    return {
        "format": FORMAT,
        "version": VERSION,
        "trained_on": asdict(model.trained_on),
        "preset": model.preset,
        "seed": model.seed,
        "math": model.math,
        "characters": "".join(model.tokenizer.characters),
        "config": config,
        "optimizer": asdict(training.optimizer),
        "steps_done": training.step,
        "last_losses": row(finite_word, model.last_losses),
        "generator": {
            "words": row(str, state[:624]),
            "index": state[624],
            "kept": None if kept is None else finite_word(kept),
        },
        "parameters": matrices(training.config, numbers),
        "m": matrices(training.config, training.m),
        "v": matrices(training.config, training.v),
    }


def matrices(config: microgpt.Config, numbers: Iterable[float]) -> dict[str, list[str]]:
    words = map(finite_word, numbers)
    return {
        name: [row(str, (next(words) for _ in range(columns))) for _ in range(rows)]
        for name, rows, columns in config.matrices()
    }


def finite_word(number: float) -> str:
    if not math.isfinite(number):
        raise Refusal(f"the model has the number {number}, so its training has diverged and it was not saved")
    return hexadecimal(number)


def row(word: Callable[[Any], str], numbers: Iterable[Any]) -> str:
    return " ".join(map(word, numbers))


# ---------------------------------------------------------------- loading


def shown(value: Any) -> str:
    """A value as a sentence mentions it, never long."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class Members:
    """The members of one JSON object. Each method raises Refusal if the member is not what it should be."""

    def __init__(self, where: str, members: dict[str, Any]) -> None:
        self.where = where  # the file, and the keys that lead here
        self.members = members

    def wrong(self, key: str, right: str, came: Any) -> Refusal:
        return Refusal(f"{self.where}{key} should be {right} and not {shown(came)}")

    def get(self, key: str) -> Any:
        if key not in self.members:
            raise Refusal(f"{self.where}{key} is missing: the file is damaged or was edited by hand")
        return self.members[key]

    def whole(self, key: str, low: int, high: int) -> int:
        came = self.get(key)
        if type(came) is not int or not low <= came <= high:
            raise self.wrong(key, f"a whole number from {low} to {high}", came)
        return came

    def number(self, key: str) -> float:
        came = self.get(key)
        if type(came) not in (int, float) or not math.isfinite(came):
            raise self.wrong(key, "a number", came)
        return float(came)

    def text(self, key: str) -> str:
        came = self.get(key)
        if not isinstance(came, str):
            raise self.wrong(key, "a string", came)
        return came

    def choice(self, key: str, options: Iterable[str]) -> str:
        came = self.text(key)
        if came not in options:
            raise self.wrong(key, " or ".join(f'"{option}"' for option in options), came)
        return came

    def rows(self, key: str, count: int) -> list[Any]:
        came = self.get(key)
        if not isinstance(came, list) or len(came) != count:
            raise self.wrong(key, f"a list of {count} rows", came)
        return came

    def inside(self, key: str) -> "Members":
        came = self.get(key)
        if not isinstance(came, dict):
            raise self.wrong(key, "an object", came)
        return Members(f"{self.where}{key}.", came)

    def words(self, key: str, came: Any, pattern: re.Pattern[str], right: str) -> list[str]:
        if not isinstance(came, str):
            raise self.wrong(key, f"a string of {right}", came)
        words = came.split(" ") if came else []
        for i, word in enumerate(words, start=1):
            if not pattern.fullmatch(word):
                raise self.wrong(f"{key}, word {i},", f"one of {right}", word)
        return words

    def doubles(self, key: str, came: Any) -> list[float]:
        numbers = [
            struct.unpack(">d", bytes.fromhex(word))[0]
            for word in self.words(key, came, DOUBLE, "doubles of 16 lower-case hex digits")
        ]
        for i, number in enumerate(numbers, start=1):
            if not math.isfinite(number):
                raise Refusal(f"{self.where}{key}, word {i}, is {number}; every number should be finite")
        return numbers

    def wholes(self, key: str, came: Any) -> list[int]:
        return [int(word) for word in self.words(key, came, DECIMAL, "decimal whole numbers")]

    def matrices(self, config: microgpt.Config) -> dict[str, list[list[float]]]:
        result: dict[str, list[list[float]]] = {}
        for name, rows, columns in config.matrices():
            result[name] = []
            for i, came in enumerate(self.rows(name, rows)):
                numbers = self.doubles(f"{name}, row {i}", came)
                if len(numbers) != columns:
                    raise Refusal(
                        f"{self.where}{name}, row {i}, should have {columns} numbers and not {len(numbers)}"
                    )
                result[name].append(numbers)
        return result


def load(path: Path) -> Model:
    """Raises Refusal if there is no such file, or it is not a whole and sound model of this version."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise Refusal(f'{path} is not a model of microgpt: a model has the member "format": "{FORMAT}"')
    top = Members(f"{path}: ", content)
    version = shown(top.get("version"))
    if version != str(VERSION):
        raise Refusal(f"{path} has the format version {version}, and this microgpt reads version {VERSION}")
    tokenizer = read_tokenizer(top)
    config = read_config(top.inside("config"), tokenizer)
    optimizer = read_optimizer(top.inside("optimizer"))
    parameters = top.inside("parameters").matrices(config)
    training = microgpt.Training(
        config,
        optimizer,
        {name: [[microgpt.Value(x) for x in r] for r in matrix] for name, matrix in parameters.items()},
        m=flat(top.inside("m").matrices(config)),
        v=flat(top.inside("v").matrices(config)),
        step=top.whole("steps_done", 0, optimizer.steps),
    )
    return Model(
        read_trained_on(top.inside("trained_on")),
        top.choice("preset", microgpt.PRESETS),
        top.whole("seed", 0, 2**32 - 1),
        top.choice("math", microgpt.FUNCTIONS),
        tokenizer,
        training,
        read_generator(top.inside("generator")),
        top.doubles("last_losses", top.get("last_losses")),
    )


def read_json(path: Path) -> Any:
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise Refusal(f"the model {path} does not exist: 'microgpt train --save {path}' makes one") from None
    except IsADirectoryError:
        raise Refusal(f"the model {path} is a directory: name the file in it") from None
    except OSError as problem:
        raise Refusal(f"the model {path} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise Refusal(f"{path} is not a model: it is not text (byte {problem.start} is not UTF-8)") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        cut = problem.pos >= len(text.rstrip()) or problem.msg.startswith("Unterminated")
        if cut and text.lstrip().startswith("{"):
            raise Refusal(f"{path} is truncated: it ends in the middle of line {problem.lineno}") from None
        raise Refusal(f"{path} is not a model: line {problem.lineno} is not JSON ({problem.msg})") from None
    except (ValueError, RecursionError):
        raise Refusal(f"{path} is not a model: its numbers are too long or its lists too deep") from None


def flat(matrices: dict[str, list[list[float]]]) -> list[float]:
    return [x for matrix in matrices.values() for numbers in matrix for x in numbers]


def read_tokenizer(top: Members) -> microgpt.Tokenizer:
    characters = top.text("characters")
    ordered = bool(characters) and all(a < b for a, b in pairwise(characters))
    if not ordered or any("\ud800" <= character <= "\udfff" for character in characters):
        raise top.wrong("characters", "distinct characters in the order of their code points", characters)
    return microgpt.Tokenizer(tuple(characters))


def read_config(members: Members, tokenizer: microgpt.Tokenizer) -> microgpt.Config:
    heads = members.whole("heads", 1, 64)
    embedding = members.whole("embedding", 1, 512)
    if embedding % heads:
        raise members.wrong("embedding", f"a multiple of heads, which is {heads},", embedding)
    block = members.whole("block", 1, 1024)
    attention: list[tuple[int, ...]] = []
    for position, came in enumerate(members.rows("attention", block)):
        attended = members.wholes(f"attention, row {position}", came)
        if attended[-1:] != [position] or any(a >= b for a, b in pairwise(attended)):
            right = f"a row of increasing positions that ends with {position}"
            raise members.wrong(f"attention, row {position},", right, came)
        attention.append(tuple(attended))
    return microgpt.Config(
        layers=members.whole("layers", 1, 16),
        heads=heads,
        embedding=embedding,
        block=block,
        vocabulary=members.whole("vocabulary", tokenizer.vocabulary, tokenizer.vocabulary),
        activation=members.choice("activation", microgpt.ACTIVATIONS),
        attention=tuple(attention),
    )


def read_optimizer(members: Members) -> microgpt.Optimizer:
    return microgpt.Optimizer(
        learning_rate=members.number("learning_rate"),
        beta1=members.number("beta1"),
        beta2=members.number("beta2"),
        epsilon=members.number("epsilon"),
        schedule=members.choice("schedule", ("linear", "cosine")),
        steps=members.whole("steps", 1, 4096),
    )


def read_trained_on(members: Members) -> TrainedOn:
    sha256 = members.text("sha256")
    if not SHA256.fullmatch(sha256):
        raise members.wrong("sha256", "64 lower-case hex digits", sha256)
    documents, characters = (members.whole(key, 1, 2**63) for key in ("documents", "characters"))
    return TrainedOn(members.text("file"), sha256, documents, characters)


def read_generator(members: Members) -> microgpt.Generator:
    words = members.wholes("words", members.get("words"))
    if len(words) != 624 or max(words) >= 2**32 or not any(words):
        raise Refusal(f"{members.where}words should be 624 numbers from 0 to {2**32 - 1}, not all of them 0")
    index = members.whole("index", 0, 624)
    came = members.get("kept")
    kept = [] if came is None else members.doubles("kept", came)
    if len(kept) != (came is not None):
        raise members.wrong("kept", "null or one double", came)
    generator = microgpt.Generator(0)
    generator.setstate((3, (*words, index), kept[0] if kept else None))
    return generator
