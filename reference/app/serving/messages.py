"""What can be asked of a server and what it answers: the one source of every schema, check and page.

A request is a Struct that refuses unknown fields; `read` turns whatever came into one, or into a sentence.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from reference.app import garden
from reference.app.refusal import Refusal

MOST_SAMPLES = 100
MOST_TEXT = 1024  # characters
MOST_STEPS = 2000
MOST_MODELS = 200  # in the folder; no training begins beyond that

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$(?!\n)")
Name = Annotated[str, Meta(pattern=NAME.pattern, description="the name of a model, such as names-1")]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1, description="of the random numbers")]


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of one question."""


class ListModels(Request, frozen=True):
    """Nothing has to be said."""


class Generate(Request, frozen=True):
    """Which model, and how it should draw."""

    model: Name
    count: Annotated[int, Meta(ge=1, le=MOST_SAMPLES, description="how many samples")] = 10
    temperature: Annotated[float, Meta(ge=0.01, le=100.0, description="more is more daring")] = 0.5
    top_k: Annotated[int, Meta(ge=1, le=2048, description="draw from so many likeliest tokens")] | None = None
    start: Annotated[str, Meta(max_length=MOST_TEXT, description="how each sample begins")] = ""
    seed: Seed | None = None


class Score(Request, frozen=True):
    """A text that is as if it were one document of the model's dataset."""

    model: Name
    text: Annotated[
        str, Meta(min_length=1, max_length=MOST_TEXT, description="one document, without its end")
    ]


class Train(Request, frozen=True):
    """A dataset of the garden and the size of a model. What is left out is as in the preset."""

    name: Name
    dataset: Annotated[
        str, Meta(description="a dataset of the garden", extra_json_schema={"enum": garden.names()})
    ]
    preset: Annotated[Literal["classic", "seed"], Meta(description="usually classic")] | None = None
    steps: Annotated[int, Meta(ge=1, le=MOST_STEPS, description="usually the preset's")] | None = None
    seed: Annotated[Seed, Meta(description="usually 42")] | None = None
    layers: Annotated[int, Meta(ge=1, le=2, description="usually the preset's")] | None = None
    heads: Annotated[int, Meta(ge=1, le=16, description="usually the preset's")] | None = None
    embedding: Annotated[int, Meta(ge=1, le=64, description="a multiple of heads")] | None = None
    block: Annotated[int, Meta(ge=1, le=64, description="characters that a text can have")] | None = None
    resume: Annotated[bool, Meta(description="go on with a training that was stopped")] = False


class ModelFacts(Struct, frozen=True):
    """`loss` is the mean of the last training losses, natural, a character; null before the first step."""

    name: str
    dataset: str
    preset: str
    math: str
    parameters: int
    block: int
    characters: str
    steps_done: int
    steps: int
    loss: float | None


class Dataset(Struct, frozen=True):
    """One that `train` can take."""

    name: str
    title: str
    lines: int


class Models(Struct, frozen=True):
    """`unreadable` says of each file that looks like a model and is none what is wrong with it."""

    models: list[ModelFacts]
    unreadable: list[str]
    datasets: list[Dataset]


class Sample(Struct, frozen=True):
    """`log_probability` is natural, of the text and its end; not `complete`: the model ran out of room."""

    text: str
    log_probability: float
    complete: bool


class Generated(Struct, frozen=True):
    """Samples in the order in which they were drawn."""

    model: str
    samples: list[Sample]


class Scored(Struct, frozen=True):
    """The loss of one character, -log of its probability, natural. The text's end is an empty string."""

    character: str
    loss: float


class Scores(Struct, frozen=True):
    """`loss` is the mean of `characters`. Not `complete`: the block was too short for all of the text."""

    model: str
    loss: float
    bits_per_character: float
    complete: bool
    characters: list[Scored]


class Trained(Struct, frozen=True):
    """The model, and what 200 samples of it are worth: shares that are right, right and new, different."""

    model: ModelFacts
    engine: str
    validity: float
    novelty: float
    distinctness: float
    held_out_bits: float | None


class Progress(Struct, frozen=True):
    """How far a training is: steps, and the loss of the last one."""

    step: int
    steps: int
    loss: float


Asked = TypeVar("Asked", bound=Request)
PLACE = re.compile(r" - at `\$\.([a-z_]+)`$")


def read(kind: type[Asked], given: Any) -> Asked:
    """The request in `given`, plain data. Raises Refusal, which names the field and what it should be."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as problem:
        raise Refusal(sentence(str(problem), kind, given)) from None


def sentence(problem: str, kind: type[Request], given: Any) -> str:
    """msgspec's complaint with the value that was given, or with the names of the fields that there are."""
    place = PLACE.search(problem)
    said = PLACE.sub("", problem).replace("`", "")
    said = said[:1].lower() + said[1:]
    if place is None:
        fields = ", ".join(field.name for field in msgspec.structs.fields(kind)) or "none"
        return f"{said}; the fields are: {fields}"
    if "matching regex" in said:  # only names have a pattern
        said = "expected up to 64 of A-Z a-z 0-9 _ -, the first a letter or a digit"
    if ", got " in said:
        return f"{place[1]}: {said}"
    value = repr(given[place[1]]) if isinstance(given, dict) else ""
    return f"{place[1]}: {said}, not {value if len(value) <= 60 else value[:57] + '...'}"


def plain(problem: Refusal) -> str:
    """The sentence, with the names of fields where the command line has options."""
    return str(problem).replace("--", "")
