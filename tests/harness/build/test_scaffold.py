"""Claims about `conform new`: a sound table, ports that the harness takes, and nothing overwritten.

In containers a few quick skeletons are built and asked in every run of the tests. The environment variable
SCAFFOLD names others: `SCAFFOLD=ocaml,rust` or `SCAFFOLD=all`, which takes about an hour.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from conformance import ladder, verbs
from harness import paths
from harness.build import manifest, runners, scaffold
from harness.build.scaffold import Language, Overrides, begin, find, languages, next_steps, source_text
from harness.cli import main as cli
from harness.errors import MachineFault, ManifestError
from harness.fleet.choice import Choice
from harness.fleet.conform import conform
from harness.fleet.listener import Listener
from harness.judge.climb import judge_case
from harness.run.limits import Limits
from harness.run.session import Session

QUICK = "lua,perl,c,tcl,mawk,icon,jq"
THEN = re.compile(r"@begun:[^|@]*\|([^@]*)@")
"""What scaffold._BEGUN must be for a skeleton whose verb arith, begun with add, answers."""
LINE = {"type": "string", "pattern": r"^[^\s].*[^\s]$|^[^\s]$"}
WORD = {"type": "string", "pattern": "^[^A-Z ]+$"}
ROW = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "language", "extension", "comment", "run", "family", "trap"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"},
        "language": LINE,
        "aliases": {
            "type": "array",
            "uniqueItems": True,
            "items": WORD,
        },
        "apt": {"type": "array", "uniqueItems": True, "minItems": 1},
        "build": LINE,
        "fusing": {"type": "string", "pattern": "^[^ ]+ [^ ].*$"},
        "run": LINE,
        "version": LINE,
        "extension": {"type": "string", "pattern": "^[A-Za-z0-9]+$"},
        "comment": {"type": "string", "pattern": r"^\S+( \S+)?$"},
        "family": {"enum": list(scaffold.FAMILIES)},
        "skeleton": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "trap": {"type": "string", "pattern": r"^.{15,200}\.$"},
        "toolchain": {"type": "object"},
        "timeouts": {"type": "object"},
    },
}
each_language = pytest.mark.parametrize("row", languages(), ids=lambda row: row.name)


def of_comments_only(text: str, comment: str) -> bool:
    start, end = (*comment.split(), "")[:2]
    return all(line.startswith(start) and line.endswith(end) for line in text.splitlines())


# ---------------------------------------------------------------- the table


def test_the_table_has_the_form_that_its_head_describes() -> None:
    rows = yaml.safe_load((Path(scaffold.__file__).parent / "languages.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(rows, {"type": "array", "minItems": 100, "items": ROW})


def test_the_second_build_is_the_first_with_one_more_word() -> None:
    rows = [row for row in languages() if row.fusing]
    assert {"c", "cpp", "rust", "go", "fortran"} <= {row.name for row in rows}
    for row in rows:
        assert row.build and row.contracted
        more = row.contracted.split()
        assert [word for word in row.build.split() if word not in more] == [], row.name
        assert 1 <= len(more) - len(row.build.split()) <= 2, row.name
    assert begun_with(Overrides(build="cc -o microgpt microgpt.c")).contracted is None, (
        "its flags are not known"
    )


def begun_with(overrides: Overrides) -> Language:
    return scaffold._with_overrides(find("c") or languages()[0], overrides)


def test_no_word_finds_two_languages() -> None:
    words = [word for row in languages() for word in {row.name, row.language.lower(), *row.aliases}]
    assert sorted(words) == sorted(set(words))


@each_language
def test_every_word_of_a_row_finds_it_in_any_case(row: Language) -> None:
    for word in (row.name, row.language, *row.aliases, row.name.upper(), f" {row.language} "):
        assert find(word) is row


@each_language
def test_a_row_builds_or_runs_its_own_source(row: Language) -> None:
    by_hand = ("coq", "postgresql", "smtlib", "opencl", "scheme48", "wat")  # they need a second file
    assert row.name in by_hand or row.source in f"{row.build} {row.run}"


def test_every_template_is_used() -> None:
    folder = Path(scaffold.__file__).parent / "templates"
    used = {row.skeleton for row in languages() if row.skeleton} | {"outline"}
    parts = {part for path in folder.iterdir() for part in re.findall(r"@include (\S+)@", path.read_text())}
    assert {path.name.removesuffix(".in") for path in folder.iterdir()} == used | parts


# ---------------------------------------------------------------- what is written


@each_language
def test_every_language_gets_a_manifest_and_the_whole_ladder(row: Language, tmp_path: Path) -> None:
    begun = begin(row.name, Overrides(name="my-port"), tmp_path)
    loaded = manifest.load_folder(begun.folder)
    assert (loaded.name, loaded.level, loaded.language) == ("my-port", 1, row.language)
    assert (loaded.apt, loaded.build, loaded.run) == (row.apt, row.build, row.run)
    assert sorted(path.name for path in begun.folder.iterdir()) == sorted(["port.yaml", row.source])
    assert [path.name for path in tmp_path.iterdir()] == ["my-port"]
    source = (begun.folder / row.source).read_text(encoding="ascii")
    assert "name my-port" in source
    assert not re.search("@(name|begun|opening|include)", source)
    for verb in verbs.NAMES:
        assert re.search(rf"\[[ x]\] +\d+ {verb} ", source)


@pytest.mark.parametrize("row", [row for row in languages() if not row.skeleton], ids=lambda row: row.name)
def test_an_outline_is_nothing_but_comments(row: Language) -> None:
    text = source_text(row, "my-port")
    assert of_comments_only(text, row.comment) and "error <id> unsupported" in text


@pytest.mark.parametrize("row", [row for row in languages() if row.skeleton], ids=lambda row: row.name)
def test_a_skeleton_begins_arith_and_does_not_answer_it(
    row: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = source_text(row, "my-port")
    monkeypatch.setattr(scaffold, "_BEGUN", THEN)
    assert source_text(row, "my-port") != now


def test_wishes_go_before_what_is_known(tmp_path: Path) -> None:
    overrides = Overrides(
        name="mine", apt=("lua5.3",), build="true", run="lua5.3 microgpt.lua", version="lua5.3 -v"
    )
    loaded = manifest.load_folder(begin("lua", overrides, tmp_path).folder)
    assert (loaded.name, loaded.apt, loaded.run) == ("mine", ("lua5.3",), "lua5.3 microgpt.lua")
    assert (loaded.build, loaded.version) == ("true", "lua5.3 -v")


def test_another_ending_moves_the_source(tmp_path: Path) -> None:
    begun = begin("c", Overrides(extension="c99"), tmp_path)
    assert (begun.folder / "microgpt.c99").is_file()
    assert "microgpt.c99 " in str(manifest.load_folder(begun.folder).build)


def test_a_family_asks_for_an_outline_even_where_there_is_a_skeleton(tmp_path: Path) -> None:
    begun = begin("ocaml", Overrides(family="functional"), tmp_path)
    assert of_comments_only((begun.folder / "microgpt.ml").read_text(), "(* *)")


def test_an_unknown_language_gets_an_outline_when_enough_is_said_of_it(tmp_path: Path) -> None:
    begun = begin("Xyzzy 3", Overrides(family="script", extension="xyz", comment="%"), tmp_path)
    assert begun.folder.name == "xyzzy-3"
    assert of_comments_only((begun.folder / "microgpt.xyz").read_text(), "%")
    assert "this language is not in the table" in "\n".join(next_steps(begun))


def test_the_last_words_say_what_was_written_and_what_to_type(tmp_path: Path) -> None:
    said = "\n".join(next_steps(begin("perl", Overrides(), tmp_path)))
    for words in (
        "perl/port.yaml",
        "perl/microgpt.pl",
        "level 1",
        "GUIDE.md",
        "mind: ",
        "conform run --path",
    ):
        assert words in said


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("language", "overrides", "sentence"),
    [
        ("luaa", Overrides(), "there is no language 'luaa' in the table; did you mean lua"),
        ("qqq", Overrides(), "'conform new --list' names the known ones"),
        ("qqq", Overrides(family="generic"), "there is no language 'qqq'"),
        ("lua", Overrides(name="Lua 5"), "'Lua 5' is not a valid port name"),
        ("lua", Overrides(name="../lua"), "is not a valid port name"),
        ("lua", Overrides(name=""), "'' is not a valid port name"),
        ("lua", Overrides(family="lispy"), "there is no family 'lispy'"),
        ("lua", Overrides(extension="a/b"), "is no file name's ending"),
        ("lua", Overrides(comment="a b c"), "begins no comment"),
        ("lua", Overrides(run="lua a; lua b"), "'run' is"),
        ("lua", Overrides(apt=("Lua!",)), "'apt' is"),
    ],
)
def test_what_is_wrong_gets_a_sentence_and_leaves_nothing(
    language: str, overrides: Overrides, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError) as caught:
        begin(language, overrides, tmp_path)
    assert sentence in caught.value.message and ".new-" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_refused_language_is_told_how_it_can_be_had_all_the_same() -> None:
    with pytest.raises(ManifestError) as caught:
        scaffold.choose("qqq", Overrides())
    assert "--family generic --extension" in caught.value.hint


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "dangling link"])
def test_nothing_that_exists_is_touched(kind: str, tmp_path: Path) -> None:
    there = tmp_path / "lua"
    if kind == "file":
        there.write_text("mine")
    elif kind == "dangling link":
        there.symlink_to("nowhere")
    else:
        there.mkdir()
    if kind == "folder":
        (there / "mine").write_text("mine")
    before = sorted((path.name, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*"))
    with pytest.raises(ManifestError, match="exists already, and nothing in it was changed"):
        begin("lua", Overrides(), tmp_path)
    assert sorted((path.name, path.lstat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_finished_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(MachineFault, match="No space left on device"):
        begin("lua", Overrides(), tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- the commands


def test_the_command_exits_with_2_and_a_sentence(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli.main, ["new", "luaa", "--into", str(tmp_path)])
    assert found.exit_code == 2 and "Traceback" not in found.output
    assert CliRunner().invoke(cli.main, ["new", "lua", "--into", str(tmp_path)]).exit_code == 0
    assert CliRunner().invoke(cli.main, ["new", "lua", "--into", str(tmp_path)]).exit_code == 2


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_locale_is_not_taken_for_a_language() -> None:
    def shown(*arguments: str) -> str:
        command = ["make", "--dry-run", "new-port", *arguments]
        environment = {**os.environ, "LANG": "C.UTF-8"}
        return subprocess.run(
            command, cwd=paths.root(), env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert "error: name a language" in shown()
    asked = shown("LANG=lua", "NAME=mine")
    assert "error: name a language" not in asked and 'conform new "$LANG"' in asked


# ---------------------------------------------------------------- skeletons in containers

CHOSEN = os.environ.get("SCAFFOLD", QUICK)
BUILT = [
    row.name for row in languages() if row.skeleton and (CHOSEN == "all" or row.name in CHOSEN.split(","))
]


def shown_failures(port: manifest.Manifest, cases: list[ladder.Case]) -> list[str]:
    """The cases that a fresh image of the port does not answer rightly."""
    limits = port.limits(Limits())
    where = runners.runner("docker", limits)
    where.prepare(port, lambda line: None)
    with Session(where.launch, limits) as session:
        return [case.id for case in cases if judge_case(session, case, port.name).verdict != "agrees"]


@pytest.mark.docker
@pytest.mark.parametrize("name", BUILT)
def test_a_skeleton_builds_and_passes_level_1(name: str, tmp_path: Path) -> None:
    port = manifest.load_folder(begin(name, Overrides(name=f"new-{name}"), tmp_path).folder)
    limits = port.limits(Limits())
    found = conform(port, runners.runner("docker", limits), limits, Choice("docker", level=1), Listener())
    assert found.outcome == "conforms", found
    assert found.build.toolchain or port.version is None
    [again] = [case for case in ladder.levels()[1].cases if case.name == "example"]
    where = runners.runner("docker", limits)
    where.prepare(port, lambda line: None)
    with Session(where.launch, limits) as session:
        assert judge_case(session, again, port.name).verdict == "unsupported"


@pytest.mark.docker
@pytest.mark.parametrize("name", BUILT)
def test_the_helpers_of_a_skeleton_are_right_to_the_bit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaffold, "_BEGUN", THEN)
    port = manifest.load_folder(begin(name, Overrides(name=f"new-{name}"), tmp_path).folder)
    level = ladder.levels()[1]
    sums = [case for case in level.cases if all(line.startswith("add ") for line in case.request.lines)]
    cases = [*sums, *(case for case in level.robust_cases if case.name.startswith("error-"))]
    assert len(cases) > 15
    assert shown_failures(port, cases) == []


LET_PASS = {
    "slang": ["hello/error-first-line-nul-in-id"],
    "elisp": [
        "hello/error-end-with-carriage-return",
        "hello/error-end-with-space",
        "hello/error-first-line-carriage-return",
    ],
    "raku": ["hello/error-end-with-carriage-return", "hello/error-first-line-carriage-return"],
}
"""S-Lang ends a line at a NUL; Emacs and Raku drop a carriage return, and what follows is out of step."""


@pytest.mark.docker
@pytest.mark.parametrize("name", BUILT)
def test_a_skeleton_answers_every_bad_request(name: str, tmp_path: Path) -> None:
    """A line that is too long, a verb that cannot be printed, a carriage return, no line feed at the end."""
    port = manifest.load_folder(begin(name, Overrides(name=f"new-{name}"), tmp_path).folder)
    assert shown_failures(port, list(ladder.levels()[0].robust_cases)) == LET_PASS.get(name, [])


def test_no_skeleton_hides_what_its_compiler_says() -> None:
    assert [row.name for row in languages() if "2>" in (row.build or "").replace(" ", "")] == []


RAW = (
    b"bad\nend\nend\nhello a b\nend\nhello x\xff\nend\n\nhello v\nend\nhello "
    + b"i" * 65
    + b"\nend\nhello cut\n"
)


@pytest.mark.docker
@pytest.mark.parametrize("name", BUILT)
def test_a_skeleton_answers_what_is_no_request_at_all(name: str, tmp_path: Path, bounded: None) -> None:
    port = manifest.load_folder(begin(name, Overrides(name=f"new-{name}"), tmp_path).folder)
    limits = port.limits(Limits())
    where = runners.runner("docker", limits)
    where.prepare(port, lambda line: None)
    process = where.launch()
    try:
        deadline = time.monotonic() + limits.start
        sent = 0
        while sent < len(RAW):
            sent += process.send(RAW[sent:], deadline)
        process.close_input()
        output = b""
        while chunk := process.read(deadline):
            output += chunk
        ended = process.exit_reason(deadline)
    finally:
        process.kill()
    heads = [line for line in output.decode("ascii").splitlines() if line != "end"]
    assert len(heads) == 7 and all(head.startswith("error - ") for head in heads[:6])
    assert heads[6].startswith("error cut ")
    assert ended is not None and ended.code == 0
