"""Claims about the structure: imports run one way, and a verdict depends on what judging imports."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from harness import paths
from harness.fleet.key import JUDGING, code_hash, modules_behind

PACKAGES = ("reference", "conformance", "harness", "science")
"""Each may import those before it. The command line, harness/cli, comes after them all."""
ROOMS = ("run", "build", "judge", "explain", "measure", "report", "fuzz", "fleet", "cli")
"""The rooms of harness/, each of which may import those before it. The shared files serve all."""
SHARED = ("crash", "errors", "files", "locks", "paths", "threads")
LONGEST = 420
EXEMPT = {"reference/microgpt.py"}
"""One readable file by intention."""


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((paths.root() / package).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def test_packages_import_one_way() -> None:
    wrong = [
        f"{path.relative_to(paths.root())} imports {name}"
        for path in sources()
        for name in imports(path)
        if rank(name.replace(".", "/")) > rank(path.relative_to(paths.root()).as_posix())
    ]
    assert not wrong


def rank(path: str) -> int:
    return len(PACKAGES) if path.startswith("harness/cli") else PACKAGES.index(path.split("/")[0])


def test_rooms_import_one_way() -> None:
    wrong = []
    for path in sorted((paths.root() / "harness").rglob("*.py")):
        own = path.relative_to(paths.root() / "harness").parts[0]
        rank = ROOMS.index(own) if own in ROOMS else -1
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "harness" or parts[1] in SHARED:
                continue
            if ROOMS.index(parts[1]) > rank:
                wrong.append(f"{path.relative_to(paths.root())} imports {name}")
    assert not wrong


def test_no_file_is_longer_than_one_reads_in_a_sitting() -> None:
    long = {
        str(path.relative_to(paths.root())): lines
        for path in sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert not {name: lines for name, lines in long.items() if name not in EXEMPT}


def test_the_key_sees_what_judging_imports_and_nothing_else() -> None:
    behind = modules_behind(JUDGING, paths.root())
    assert {"conformance.spread", "conformance.cases.graph", "harness.explain.mutants.catalogue.adam"} <= set(
        behind
    )
    assert {"harness.judge.compare", "harness.run.session", "reference.exactmath"} <= set(behind)
    rooms = {name.split(".")[1] for name in behind if name.startswith("harness.")}
    assert not rooms & {"measure", "cli"}
    assert "harness.fuzz.requests" in behind, "fresh questions are made by the fuzzer's strategies"
    assert not {"harness.fuzz.campaign", "harness.fuzz.report", "harness.fuzz.shrink"} & set(behind)
    assert not {
        name for name in behind if name.startswith(("harness.report.site", "harness.report.terminal"))
    }


@pytest.mark.parametrize(
    "path, changes",
    [
        ("conformance/spread.py", True),
        ("conformance/cases/graph.py", True),
        ("harness/explain/mutants/catalogue/adam.py", True),
        ("harness/build/port.schema.json", True),
        ("harness/report/terminal.py", False),
        ("harness/report/site/pages.py", False),
        ("harness/fuzz/campaign.py", False),
        ("reference/app/commands.py", False),
    ],
)
def test_an_edit_changes_the_key_if_and_only_if_a_verdict_may_depend_on_it(
    path: str, changes: bool, tmp_path: Path
) -> None:
    for package in ("reference", "conformance", "harness"):
        keep = shutil.ignore_patterns("levels", "found", "robust", "garden", "__pycache__", "static")
        shutil.copytree(paths.root() / package, tmp_path / package, ignore=keep)
    before = code_hash(tmp_path)
    code_hash.cache_clear()
    with (tmp_path / path).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert (code_hash(tmp_path) != before) == changes


Function = ast.FunctionDef | ast.AsyncFunctionDef
MOST_PARAMETERS = 6


def is_command(function: Function) -> bool:
    """A command of click: its parameters are its options, which a user meets one by one."""
    return any(
        isinstance(one, ast.Call) and ast.unparse(one.func).endswith(".command")
        for one in function.decorator_list
    )


def parameters(function: Function) -> list[str]:
    """Their names, but for those of the object and the class."""
    given = function.args
    more = [one for one in (given.vararg, given.kwarg) if one is not None]
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, *more)]
    return [name for name in names if name not in ("self", "cls")]


def test_no_function_has_more_than_six_parameters() -> None:
    wide = [
        f"{path.relative_to(paths.root())}: {node.name} has {len(parameters(node))}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, Function)
        if len(parameters(node)) > MOST_PARAMETERS and not is_command(node)
    ]
    assert not wide


def test_nothing_plays_ctrl_c() -> None:
    """Who presses Ctrl-C means it; what a program wants to tell itself has another name."""
    found = [
        f"{path.relative_to(paths.root())}: {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and any("KeyboardInterrupt" in ast.unparse(base) for base in node.bases)
    ]
    assert not found
