"""Datasets that are not carried but fetched, each from a pinned address and held to its hash."""

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from reference.app import dataset
from reference.app.refusal import Refusal

SECONDS = 30.0
RAW = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class Pinned:
    """`size` is in bytes: no more than that is read."""

    title: str
    url: str
    sha256: str
    size: int
    licence: str


PINNED = {
    "dinosaurs": Pinned(
        "Names of dinosaurs",
        f"{RAW}/swiftgurmeet/keras-dinosaur-names/2e7b124e7cfc0071bc1bca330ab450346ae4693f/dinos.txt",
        "a33bf26647c6735cac142984e2a29995af746e2961811ade39035fcfb9fe8b0f",
        20969,
        "none is stated, so it is fetched for you and not passed on",
    ),
    "makemore-names": Pinned(
        "The given names that the original microgpt trains on",
        f"{RAW}/karpathy/makemore/988aa59e4d8fefa526d06f3b453ad116258398d4/names.txt",
        "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
        228145,
        "MIT, Copyright (c) 2022 Andrej Karpathy",
    ),
}


def fetch(name: str, folder: Path) -> Path:
    """Save the dataset as NAME.txt in `folder`, unless it is there already.

    Raises Refusal if there is no such set, the network fails, or the bytes are not those that were pinned.
    """
    if name not in PINNED:
        raise Refusal(f"there is no dataset {name!r} to fetch: there is {', '.join(PINNED)}")
    pinned, path = PINNED[name], folder / f"{name}.txt"
    if path.exists():
        check(path.read_bytes(), pinned, f"{path}, which is there already,")
        return path
    try:
        with urllib.request.urlopen(pinned.url, timeout=SECONDS) as answer:
            data = answer.read(pinned.size + 1)
    except (urllib.error.URLError, OSError) as problem:
        reason = getattr(problem, "reason", problem)
        raise Refusal(f"{pinned.url} cannot be fetched: {reason}; fetching needs the internet") from None
    check(data, pinned, f"what came from {pinned.url}")
    dataset.of_bytes(path.name, data, f"the dataset {name}")
    part = folder / f".{name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as problem:
        raise Refusal(f"cannot save {path}: {problem.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return path


def check(data: bytes, pinned: Pinned, called: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != pinned.sha256:
        raise Refusal(f"{called} has SHA-256 {digest}, and {pinned.sha256} was pinned: it was not taken")
