"""What the page that judges a browser loads: the JavaScript port as one script, and the golden traces.

A page from file:// may load neither modules nor data, only scripts. So the port's modules become functions of
one script, in which only import and export lines are changed, and the traces become scripts, compressed.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from conformance import ladder
from harness import paths
from harness.errors import ManifestError

PORT = "javascript"
MODULES = ("exact.js", "microgpt.js", "protocol.js")  # in the order in which they import each other
_STATIC = Path(__file__).parent / "static"
_IMPORT = re.compile(r"^import (\* as \w+|\{[\s\w,]+\}) from '(\./[\w.-]+)';$", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const|let) (\w+))", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)


def module(name: str, source: str) -> str:
    """An ES module as an entry of the table `modules`: a function's result in place of its exports.

    Raises ManifestError for a kind of import or export that is not known here.
    """
    exported = _EXPORT.findall(source)
    body = _EXPORT.sub("", _IMPORT.sub(_constant, source))
    if left := _LEFT_OVER.search(body):
        raise ManifestError(f"{name} cannot be put into the site: '{left[0]}' is not understood")
    return f"modules['./{name}'] = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _constant(match: re.Match[str]) -> str:
    """An import as a constant: `* as x` is the whole module, `{ x, y }` a part of it."""
    return f"const {match[1].removeprefix('* as ')} = modules['{match[2]}'];"


def worker_script() -> str:
    """The worker's whole program as the function `conformanceWorker`, whose text is what the worker runs."""
    own = _STATIC / "worker"
    return worker_function("conformanceWorker", "a comparison", [own / "compare.js", own / "work.js"])


def worker_function(name: str, what: str, own: Sequence[Path]) -> str:
    """The port's modules and then `own` ones, which are `what`, as one function."""
    files = [*(paths.ports_dir() / PORT / module for module in MODULES), *own]
    head = (
        f"/* Made from {', '.join(MODULES)} in ports/{PORT}, of which only import and export lines are\n"
        f"   changed, and from {what}. A worker is started from the text of this function. */\n"
        f"function {name}() {{\n'use strict';\nconst modules = {{}};\n"
    )
    return head + "\n".join(module(file.name, file.read_text(encoding="utf-8")) for file in files) + "}\n"


@dataclass(frozen=True)
class Golden:
    """The cases of one level as one script, which the page loads from goldens/<file>."""

    level: int
    verb: str
    long: bool
    file: str
    cases: int
    script: str


@cache
def golden_scripts() -> tuple[Golden, ...]:
    """Every level's requests and golden traces; the long cases in scripts of their own."""
    found = []
    for level in ladder.levels():
        for long in (False, True):
            cases = [case for case in level.cases if case.long == long and not case.large]
            if cases:
                stem = f"{level.number:02d}-{level.verb}{'-long' if long else ''}"
                script = _script(stem, cases)
                found.append(Golden(level.number, level.verb, long, f"{stem}.js", len(cases), script))
    return tuple(found)


def _script(stem: str, cases: list[ladder.Case]) -> str:
    """A call of `golden` with the name and [name, request, golden trace] of each case: JSON, gzip, base64."""
    files = [(case.name, case.path, case.path.with_suffix(".golden")) for case in cases]
    listed = [(name, asked.read_text("utf-8"), golden.read_text("utf-8")) for name, asked, golden in files]
    return packed(stem, listed)


def packed(stem: str, content: object) -> str:
    """A call of `golden` with anything that JSON can hold."""
    zipped = gzip.compress(json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(), mtime=0)
    return f"golden('{stem}', '{base64.b64encode(zipped).decode()}');\n"
