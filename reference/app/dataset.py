"""Datasets: UTF-8 text, one document a line, from a file, from standard input or from the garden.

Here is how one is read and how it is told from another. What a document is stands in `microgpt.documents_of`.
"""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from reference import microgpt
from reference.app.refusal import BadDataset, Refusal

GARDEN = Path(__file__).parent.parent / "garden" / "names.txt"


@dataclass(frozen=True)
class Dataset:
    """`name` is the file's name without its folder, `sha256` the hash of its bytes."""

    name: str
    sha256: str
    documents: int
    characters: int  # of all documents together
    lines: tuple[str, ...]


def read_file(path: Path) -> Dataset:
    """Raises Refusal if there is no such file or it is no dataset."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Refusal(f"the dataset {path} does not exist") from None
    except IsADirectoryError:
        raise Refusal(f"the dataset {path} is a directory: name a text file in it") from None
    except OSError as problem:
        raise Refusal(f"the dataset {path} cannot be read: {problem.strerror}") from None
    return of_bytes(path.name, data, f"the dataset {path}")


def read_standard_input() -> Dataset:
    """Raises Refusal if standard input is closed or holds no dataset."""
    if sys.stdin is None:
        raise Refusal("standard input is closed: give the dataset with '< FILE' or '--dataset FILE'")
    try:
        data = sys.stdin.buffer.read()
    except OSError as problem:
        raise Refusal(f"standard input cannot be read: {problem.strerror}") from None
    return of_bytes("standard input", data, "standard input")


def of_bytes(name: str, data: bytes, called: str) -> Dataset:
    """The dataset in these bytes, which error messages call `called`. Raises BadDataset."""
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        byte = data[problem.start]
        raise BadDataset(
            f"{called} is not UTF-8: line {line} has a stray byte {byte:02x}; save it as UTF-8 text"
        ) from None
    documents = microgpt.documents_of(lines)
    if not documents:
        raise BadDataset(f"{called} has no documents: every line is empty, and at least one is needed")
    characters = len({character for document in documents for character in document})
    if characters > microgpt.MOST_CHARACTERS:
        raise BadDataset(
            f"{called} has {characters} distinct characters: {microgpt.MOST_CHARACTERS} are the most"
        )
    return Dataset(
        name, hashlib.sha256(data).hexdigest(), len(documents), sum(map(len, documents)), tuple(lines)
    )
