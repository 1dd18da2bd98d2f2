"""Where records lie: one's own runs in results/mine/, which git ignores, the published ones in
results/published/.

A run writes to one's own. `make publish` copies from there, a file for each port, so that two people who each
add a port never touch the same file.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness import files, paths
from harness.errors import ConformError, ManifestError
from harness.report.history import trend
from harness.report.record import Record, by_port, parse, text_of


def mine() -> Path:
    return paths.results_dir() / "mine"


def published() -> Path:
    return paths.results_dir() / "published"


def save(record: Record, folder: Path | None = None) -> Path:
    """Write a record as <port>.json, whole or not at all, and count it in the port's history."""
    folder = folder or mine()
    path = write(record, folder / f"{record.port}.json")
    trend.note(record, folder)
    return path


def smallest_file(port: str) -> Path:
    """Where the smallest request that fails is kept, for a person to ask again."""
    return mine() / f"{port}-smallest.request"


def keep_smallest(record: Record) -> None:
    """Write the smallest failing request of a record; one of an earlier run goes."""
    path = smallest_file(record.port)
    if record.smallest is not None:
        files.write_whole(path, record.smallest.request)
    else:
        path.unlink(missing_ok=True)


def write(record: Record, path: Path) -> Path:
    return files.write_whole(path, text_of(record))


def read(path: Path) -> Record:
    """A record from its file. Raises ManifestError if it is missing, no JSON, or of another form."""
    try:
        data = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ManifestError(f"{paths.shown(path)} does not exist", hint="run make conform first") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{paths.shown(path)} cannot be read: {error}") from None
    return parse(data, paths.shown(path))


def read_all(folder: Path | None = None) -> list[Record]:
    """Every record in a folder, by port; other JSON files are passed over. Raises ManifestError."""
    folder = folder or published()
    return by_port([read(path) for path in sorted(folder.glob("*.json")) if _holds_a_record(path)])


def with_mine() -> list[Record]:
    """The newest of each port, one's own before the published. Raises ManifestError."""
    found = {record.port: record for folder in (published(), mine()) for record in read_all(folder)}
    return by_port(list(found.values()))


def with_key(port: str, key: str) -> Record | None:
    """The record of this port that was made with this key, one's own or published; None if there is none."""
    for folder in (mine(), published()):
        try:
            found = read(folder / f"{port}.json")
        except ConformError:
            continue
        if found.key == key:
            return found
    return None


def newest(port: str) -> Record | None:
    """One's own record of a port, else the published one, else None. Damaged ones are passed over."""
    for folder in (mine(), published()):
        try:
            return read(folder / f"{port}.json")
        except ConformError:
            continue
    return None


def publish(port: str) -> Record:
    """Make one's own newest record of a port the published one. Raises ManifestError if there is none."""
    record = read(mine() / f"{port}.json")
    save(record, published())
    return record


def _holds_a_record(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return True  # `read` says what is wrong with it
    return isinstance(content, dict) and "port" in content
