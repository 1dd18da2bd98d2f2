"""Claims about `conform` as a command, and about judging many ports at once."""

import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from conformance import ladder
from harness import paths
from harness.cli import main as cli
from harness.fleet import matrix
from harness.fleet.choice import Choice
from harness.fleet.conform import build_warnings
from harness.fleet.listener import Listener
from harness.report import record, store
from harness.run.limits import Limits

ROOT = Path(__file__).parents[3]
LIMITS = Limits(start=10.0, request=10.0)
LEVEL_2 = Choice("local", level=2)
REFERENCE = f"env PYTHONPATH={ROOT} {sys.executable} -m reference conform"
SCRIPT = f"{sys.executable} port.py"
WITHOUT_GRAPH = """
import sys
sys.path.insert(0, {root!r})
from reference.protocol import replies
for verb in list(replies.VERBS)[2:]:
    del replies.VERBS[verb]
replies.answer_all(sys.stdin.buffer, sys.stdout.buffer)
"""


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of ports, with results and cache of its own."""
    folder = tmp_path / "ports"
    folder.mkdir()
    monkeypatch.setattr(paths, "ports_dir", lambda: folder)
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    return folder


def add(ports: Path, name: str, run: str, more: str = "", source: str = "") -> None:
    folder = ports / name
    folder.mkdir()
    (folder / "port.yaml").write_text(f"language: Test\nrun: {run}\n{more}")
    (folder / "port.py").write_text(source)


def judged(ports: Path, *names: str, choice: Choice = LEVEL_2, force: bool = False) -> list[matrix.Row]:
    return matrix.run_matrix(names, LIMITS, choice, lambda name: Listener(), force=force)


def conform(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


def test_a_port_that_fails_in_any_way_costs_the_others_nothing(ports: Path):
    add(ports, "reference", REFERENCE)
    add(ports, "exits", "env false")
    add(ports, "hangs", "sleep 1000", "timeouts: {start: 0.5}\n")
    add(ports, "unbuildable", "env true", "build: 'false'\n")
    add(ports, "misspelt", "env true", "bulid: make\n")
    rows = judged(
        ports, "reference", "exits", "hangs", "unbuildable", "misspelt", choice=Choice("local", level=1)
    )
    outcomes = [row.record.outcome if row.record else row.fault.code for row in rows]
    assert outcomes == ["conforms", "crashed", "limit", "build failed", "manifest"]
    assert [row.conforms for row in rows] == [True, False, False, False, False]


def test_the_matrix_says_below_what_went_wrong_first(ports: Path, capsys: pytest.CaptureFixture[str]):
    add(ports, "exits", "env false")
    add(ports, "knows", REFERENCE)
    rows = judged(ports, "exits", "knows", choice=Choice("local", level=1))
    seen = rows[1].record
    assert seen is not None
    missed = record.CaseRecord("graph/fresh-5", "disagrees", 1, 1, 1)
    marks = msgspec.structs.replace(seen.marks, fresh=record.Mark(43, 42, (missed,), seed=2003))
    rows[1] = matrix.Row("knows", msgspec.structs.replace(seen, marks=marks, outcome="fails fresh questions"))
    matrix.show(rows, Console())
    said = " ".join(capsys.readouterr().out.split())
    assert "exits: 0 of " in said
    assert "First divergence" in said
    assert "knows: fresh 42/43 (seed 2003) unseen requests answered rightly" in said
    assert "the first that is not: graph/fresh-5" in said


def test_an_unchanged_port_is_answered_from_its_record_and_a_changed_one_is_not(ports: Path):
    add(ports, "reference", REFERENCE)
    assert [row.cached for row in judged(ports, "reference")] == [False]
    assert [row.cached for row in judged(ports, "reference")] == [True]
    assert [row.cached for row in judged(ports, "reference", force=True)] == [False]
    (ports / "reference" / "port.py").write_text("# changed")
    assert [row.cached for row in judged(ports, "reference")] == [False]


def test_a_record_of_another_choice_of_cases_is_not_taken_for_this_one(ports: Path):
    add(ports, "reference", REFERENCE)
    judged(ports, "reference")
    assert [row.cached for row in judged(ports, "reference", choice=Choice("local", level=1))] == [False]


def test_a_record_is_not_used_once_the_port_claims_another_level(ports: Path):
    add(ports, "reference", REFERENCE, "level: 2\n")
    judged(ports, "reference")
    (ports / "reference" / "port.yaml").write_text(f"language: Test\nrun: {REFERENCE}\nlevel: 3\n")
    assert [row.cached for row in judged(ports, "reference")] == [False]


def test_the_number_of_workers_fits_cores_and_memory():
    assert matrix.workers(LIMITS, ports=1) == 1
    assert matrix.workers(Limits(memory=10**15), ports=8) == 1


def test_a_port_part_of_the_way_is_shown_its_next_step(ports: Path):
    add(ports, "reference", SCRIPT, "level: 2\n", WITHOUT_GRAPH.format(root=str(ROOT)))
    result = conform("run", "reference", "--runner", "local")
    assert result.exit_code == 0, result.output
    assert "Level 2 is reached. Level 3 is math" in result.output
    assert "error example unsupported" in result.output
    saved = store.read(store.mine() / "reference.json")
    assert (saved.outcome, saved.reached_level) == ("conforms", 2)


def test_trying_a_case_shows_request_golden_trace_and_reply(ports: Path):
    add(ports, "reference", REFERENCE)
    result = conform("try", "reference", "adam/example", "--runner", "local")
    assert result.exit_code == 0
    for part in ("adam example", "golden trace", "the port's reply", "they agree"):
        assert part in result.output


def test_a_case_that_fails_has_its_rerun_command_in_the_report(ports: Path):
    add(ports, "other-name", REFERENCE)
    result = conform("run", "other-name", "--runner", "local", "--level", "1")
    assert result.exit_code == 1
    assert "CASE=hello/example" in result.output.replace("\n", "")
    assert "name other-name" in result.output


def test_json_is_the_record_and_nothing_else(ports: Path):
    add(ports, "reference", REFERENCE)
    result = conform("run", "reference", "--runner", "local", "--level", "2", "--json")
    assert record.parse(result.stdout, "the output").only_level == 2


def test_a_port_elsewhere_has_its_record_where_it_is_wanted_and_nowhere_else(ports: Path, tmp_path: Path):
    add(ports, "My.Repository", REFERENCE)
    wanted = tmp_path / "out" / "record.json"
    options = ("--path", str(ports / "My.Repository"), "--name", "reference", "--record", str(wanted))
    result = conform("run", *options, "--runner", "local", "--level", "2")
    assert result.exit_code == 0, result.output
    assert store.read(wanted).port == "reference"
    assert not store.mine().exists()


def test_a_record_that_cannot_be_written_is_one_sentence(ports: Path, tmp_path: Path):
    add(ports, "reference", REFERENCE)
    (tmp_path / "file").write_text("")
    result = conform(
        *("run", "reference", "--runner", "local", "--level", "2"),
        *("--record", str(tmp_path / "file" / "record.json")),
    )
    assert result.exit_code == 3
    said = "".join(result.stderr.split())  # a long path is broken anywhere
    assert "record.jsoncannotbewritten:" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run",), "name one port"),
        (("run", "rsut"), "there is no port named 'rsut'"),
        (("run", "reference", "--level", "13"), "13 is not in the range"),
        (("run", "reference", "--case", "adam/exampel", "--runner", "local"), "has no case 'exampel'"),
        (("run", "reference", "--case", "dance/x", "--runner", "local"), "there is no level 'dance'"),
        (("run", "reference", "--case", "adam/example", "--level", "2"), "exclude each other"),
        (("run", "reference", "--request-timeout", "0"), "--request-timeout"),
        (("run", "reference", "--name", "x"), "--name goes with --path"),
        (("run", "--path", "/nowhere/x", "--name", "X"), "'X' is not a valid port name"),
        (("run", "--path", "/nowhere/x"), "/nowhere/x/port.yaml is missing"),
        (("try", "reference", "adam"), "has no case ''"),
        (("dockerfile", "nothing"), "there is no port named 'nothing'"),
    ],
)
def test_bad_input_gets_a_sentence_and_status_2(ports: Path, arguments: tuple[str, ...], sentence: str):
    add(ports, "reference", REFERENCE)
    result = conform(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join((result.output + result.stderr).split())
    assert "Traceback" not in result.output


def test_a_known_shortcoming_that_names_no_case_is_refused(ports: Path):
    known = "known: [{case: math/nothing, reason: none, link: 'https://example.org'}]\n"
    add(ports, "reference", REFERENCE, known)
    result = conform("run", "reference", "--runner", "local")
    assert result.exit_code == 2
    assert "has no case 'nothing'" in " ".join(result.stderr.split())


def test_every_case_can_be_named(ports: Path):
    listed = conform("cases").output.split()
    assert len(listed) == sum(len(level.cases) for level in ladder.levels())
    assert ladder.find_case(listed[-1]).id == listed[-1]


def test_warnings_of_the_compiler_are_counted_and_those_of_packages_are_not(ports: Path):
    log = paths.logs_dir() / "tiny-build.log"
    log.parent.mkdir(parents=True)
    log.write_text("update-alternatives: warning: skip creation of /usr/share/man/man1/php.1.gz\n")
    assert build_warnings("tiny") == []
    log.write_text(log.read_text() + "x.c:2:21: warning: unused variable\n")
    assert [said.split(":")[0] for said in build_warnings("tiny")] == ["the build gave 1 warning"]
