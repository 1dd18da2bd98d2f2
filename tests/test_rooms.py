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


MOST_PARAMETERS = 6
NOT_YET = {
    ("harness/cli/check.py", "_one"),
    ("harness/judge/check/logs.py", "judge"),
    ("harness/judge/check/traces.py", "judge"),
    ("harness/judge/check/traces.py", "_sum_up"),
}
"""Still to be bundled. Nothing is added here; what is mended is taken out."""


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A command of click: its parameters are its options, which a user meets one by one."""
    return any(
        ast.unparse(one).endswith(("command()", "command")) or ".command(" in ast.unparse(one)
        for one in function.decorator_list
    )


def count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    named = [
        one for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg not in ("self", "cls")
    ]
    return len(named) + (given.vararg is not None) + (given.kwarg is not None)


def test_no_function_has_more_than_six_parameters() -> None:
    wide = {
        (str(path.relative_to(paths.root())), node.name)
        for path in sources()
        if path.relative_to(paths.root()).parts[0] == "harness"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if count(node) > MOST_PARAMETERS and not is_command(node)
    }
    assert wide == NOT_YET


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
