"""Claims on `conform diff`: it finds what got worse, and takes nothing else for a regression."""

import json
from pathlib import Path

import pytest
import records
from click.testing import CliRunner, Result
from msgspec.structs import replace as replaced

from harness.cli import main as cli
from harness.errors import BuildFailed
from harness.report.history.diff import changes
from harness.report.making import build_failure
from harness.report.record import Record

EXACT = records.made()
WRONG = records.made({"backward/1": "disagrees"})
FAILED = BuildFailed("gcc exited with code 1", command="gcc x.c")
UNBUILT = build_failure(records.manifest(), FAILED, "docker", records.RAN)
KNOWN = records.made({"math/1": "known"}, known=(records.known("math/x"),))


def kinds(old: Record, new: Record) -> set[str]:
    return {change.kind for change in changes([old], [new])}


def sentences(old: Record, new: Record) -> str:
    return "\n".join(change.sentence for change in changes([old], [new]))


def diff(old: Path, new: Path, *options: str) -> Result:
    return CliRunner().invoke(cli.main, ["diff", str(old), str(new), *options])


@pytest.mark.parametrize(
    ("better", "worse", "told"),
    [
        (EXACT, WRONG, "backward: "),
        (EXACT, UNBUILT, "build failed now"),
        (EXACT, KNOWN, "(agrees before, known now)"),
        (EXACT, records.made(agreement="tolerance"), "agreement"),
        (EXACT, records.made(level=7), "the level that it claims was 12 and is 7"),
        (WRONG, records.made({"backward/1": "disagrees"}, ulps=9), "was off by 2 ulps, and is off by 9 ulps"),
        (WRONG, records.made({"backward/1": "crashed"}), "(disagrees before, crashed now)"),
        (
            records.made({"run": "unsupported"}, level=11),
            records.made({"run": "unsupported", "sample/0": "disagrees"}, level=11),
            "sample: ",
        ),
    ],
)
def test_every_way_to_get_worse_is_found_and_its_reverse_is_better(better: Record, worse: Record, told: str):
    assert "worse" in kinds(better, worse) and "better" not in kinds(better, worse)
    assert told in sentences(better, worse)
    assert "better" in kinds(worse, better) and "worse" not in kinds(worse, better)


def test_time_date_and_build_are_no_change():
    seconds = replaced(EXACT.seconds, total=99.0)
    seconds = replaced(EXACT.seconds, total=99.0)
    later = replaced(EXACT, finished="2030-01-01T00:00:00+00:00", seconds=seconds)
    assert changes([EXACT], [later]) == []


def test_a_port_that_begins_to_answer_wrongly_is_no_worse_than_one_that_did_not_answer():
    silent, wrong = (records.made({"run": verdict}, level=11) for verdict in ("unsupported", "disagrees"))
    assert kinds(silent, wrong) == set()


def test_cases_that_only_one_record_has_are_new_or_passed_over():
    level = EXACT.levels[9]
    asked = (*level.others["agrees"], "long-classic")
    longer = replaced(level, others={**level.others, "agrees": asked})
    more = replaced(EXACT, levels=(*EXACT.levels[:9], longer, *EXACT.levels[10:]))
    assert kinds(EXACT, more) == {"new"}
    assert kinds(more, EXACT) == set()


def test_new_cases_that_fail_are_named():
    more = records.made({"train/0": "disagrees"})
    failing = more.levels[9].failures[0].name
    level = EXACT.levels[9]
    asked = tuple(name for name in level.others["agrees"] if name != failing)
    fewer = replaced(level, others={**level.others, "agrees": asked})
    less = replaced(EXACT, levels=(*EXACT.levels[:9], fewer, *EXACT.levels[10:]))
    assert f"not in agreement: {failing}" in sentences(less, more)


def test_a_distance_that_changes_within_the_tolerance_is_told_and_no_regression():
    near, far = records.made(agreement="tolerance"), records.made(agreement="tolerance")
    near, far = (records.with_worst(made, 7, ulps) for made, ulps in ((near, 1), (far, 40)))
    assert kinds(near, far) == kinds(far, near) == {"changed"}
    assert "backward: its worst value was off by 1 ulp, and is off by 40 ulps" in sentences(near, far)


def test_another_version_of_the_suite_is_told():
    assert kinds(EXACT, replaced(EXACT, suite="2" * 64)) == {"changed"}


def test_the_ports_own_functions_are_told_from_the_exact_ones():
    assert "the other with the port's own" in sentences(EXACT, replaced(EXACT, math="native"))


def test_a_long_list_of_cases_is_cut():
    assert " and 1 more (agrees before, disagrees now)" in sentences(
        EXACT, records.made({"adam": "disagrees"})
    )


def test_folders_are_compared_port_by_port(tmp_path: Path):
    old = records.save_all(tmp_path / "old", [replaced(EXACT, port=name) for name in ("a", "b", "gone")])
    new = records.save_all(
        tmp_path / "new",
        [replaced(EXACT, port="a"), replaced(WRONG, port="b"), replaced(WRONG, port="fresh")],
    )
    result = diff(old, new, "--json")
    told = {(change["kind"], change["port"]) for change in json.loads(result.output)}
    assert told == {("worse", "b"), ("worse", "gone"), ("new", "fresh")}
    assert result.exit_code == 1


def test_the_status_is_1_for_a_regression_and_0_for_progress(tmp_path: Path):
    exact, wrong = (records.save_all(tmp_path / name, [made]) for name, made in (("e", EXACT), ("w", WRONG)))
    worse, better, same = diff(exact, wrong), diff(wrong, exact), diff(exact, exact)
    assert [worse.exit_code, better.exit_code, same.exit_code] == [1, 0, 0]
    assert "changes for the worse" in worse.output
    assert "nothing got worse" in better.output and "nothing changed" in same.output
    assert diff(exact / "lua.json", wrong / "lua.json").exit_code == 1


def test_what_cannot_be_compared_gets_a_sentence_and_status_2(tmp_path: Path):
    folder = records.save_all(tmp_path / "old", [EXACT, replaced(EXACT, port="c")])
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    for new, sentence in (
        (tmp_path / "missing", "missing does not exist"),
        (tmp_path / "empty", "holds no record"),
        (folder / "lua.json", "expected two records, or two folders of records"),
    ):
        result = diff(folder, new)
        assert result.exit_code == 2 and sentence in " ".join(result.stderr.split())
    other = diff(folder / "lua.json", folder / "c.json")
    assert other.exit_code == 2 and "expected two records of one port" in " ".join(other.stderr.split())
    assert diff(folder / "lua.json", tmp_path / "broken.json").exit_code == 2
