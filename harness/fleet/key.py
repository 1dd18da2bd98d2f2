"""The key of a result: a hash of all that a verdict depends on, and of nothing else.

What a verdict depends on is found, not listed: the modules that judging imports, and those that they import.
So an edit of a report, of the site or of the fuzzer leaves every published verdict as it is, and an edit of
anything that judges makes every port be judged again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from harness import paths

PACKAGES = ("reference", "conformance", "harness")
JUDGING = ("harness.fleet.conform", "conformance.spread", "harness.build.worker")
"""Where judging begins. The last two run as processes of their own, which no import shows."""
_MODULE = rf"(?:{'|'.join(PACKAGES)})[\w.]*"
DATA = (".json", ".j2")
"""Files beside a module that it reads: schemas and templates. The suite's own files have their own hash."""


def modules_behind(names: tuple[str, ...], root: Path) -> dict[str, Path]:
    """Every module of this project that these import, directly or not, themselves included: name to file."""
    found: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        path = _file_of(name, root)
        if path is None or name in found:
            continue
        found[name] = path
        waiting += _imported(path)
        package = name.rpartition(".")[0]
        waiting += [package] if package else []
    return found


def _file_of(name: str, root: Path) -> Path | None:
    place = root.joinpath(*name.split("."))
    candidates = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    """The names that a file may import from this project; those of a function's body, too."""
    text = path.read_text(encoding="utf-8")
    yield from re.findall(rf"^\s*import ({_MODULE})", text, re.MULTILINE)
    for module, names in re.findall(rf"^\s*from ({_MODULE}) import (\([^)]*\)|.*)", text, re.MULTILINE):
        yield module
        yield from (f"{module}.{name}" for name in re.findall(r"\w+", names))


@cache
def code_hash(root: Path | None = None) -> str:
    """SHA-256 of the code that has a say in a verdict."""
    root = root or paths.root()
    modules = set(modules_behind(JUDGING, root).values())
    beside = {
        path
        for folder in {module.parent for module in modules if "harness" in module.parts}
        for path in folder.iterdir()
        if path.suffix in DATA
    }
    digest = hashlib.sha256()
    for path in sorted(modules | beside):
        digest.update(f"{path.relative_to(root)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
