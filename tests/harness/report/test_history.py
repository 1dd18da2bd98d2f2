"""Claims on the history of a port: one line for each state, nothing lost, speed where it is known."""

import json
from pathlib import Path

import pytest
import records
from click.testing import CliRunner
from msgspec.structs import replace as replaced

from harness.cli import main as cli
from harness.errors import ResultsError
from harness.measure import bench
from harness.report import speed, store
from harness.report.history import trend
from harness.report.record import Record

EXACT = records.made()
WRONG = records.made({"backward/1": "disagrees"})


def save(folder: Path, made: Record, seconds: float, day: int) -> None:
    times = replaced(made.seconds, total=seconds)
    store.save(replaced(made, seconds=times, finished=f"2026-01-{day:02d}T10:00:00+00:00"), folder)


def test_runs_that_find_the_same_are_counted_in_one_line(tmp_path: Path):
    for day, seconds in enumerate((3.0, 2.0, 4.0), start=1):
        save(tmp_path, EXACT, seconds, day)
    [line] = trend.read("lua", tmp_path)
    assert (line["runs"], line["seconds"], line["levels"]) == (3, 2.0, "a" * 12)
    assert (line["first"][:10], line["last"][:10]) == ("2026-01-01", "2026-01-03")


def test_every_change_of_state_is_a_line_also_back_to_a_former_one(tmp_path: Path):
    for day, made in enumerate((EXACT, WRONG, WRONG, EXACT), start=1):
        save(tmp_path, made, 1.0, day)
    lines = trend.read("lua", tmp_path)
    assert [(line["outcome"], line["runs"], line["worst_ulps"]) for line in lines] == [
        ("conforms", 1, 0),
        ("disagrees", 2, 2),
        ("conforms", 1, 0),
    ]
    assert lines[1]["levels"] == "aaaaaaadaaaa"


@pytest.mark.parametrize(
    "change", [{"suite": "2" * 64}, {"build": replaced(EXACT.build, hash="b" * 64)}, {"claimed_level": 11}]
)
def test_what_a_result_depends_on_is_part_of_the_state(tmp_path: Path, change: dict[str, object]):
    save(tmp_path, EXACT, 1.0, 1)
    save(tmp_path, replaced(EXACT, **change), 1.0, 2)
    assert len(trend.read("lua", tmp_path)) == 2


def test_runs_in_a_container_and_as_a_process_do_not_disturb_each_other(tmp_path: Path):
    for day, runner in enumerate(("docker", "local", "docker", "local"), start=1):
        save(tmp_path, replaced(EXACT, runner=runner), 1.0, day)
    assert [(line["runner"], line["runs"]) for line in trend.read("lua", tmp_path)] == [
        ("docker", 2),
        ("local", 2),
    ]


def test_a_measured_speed_belongs_to_the_build_that_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "mine", lambda: tmp_path)
    monkeypatch.setattr(store, "published", lambda: tmp_path)
    save(tmp_path, EXACT, 1.0, 1)
    save(tmp_path, replaced(EXACT, build=replaced(EXACT.build, hash="b" * 64)), 1.0, 2)
    speed.save([bench.Measured("lua", "a" * 64, 9000.0, 31.0, {}, 4.3, 18.0)], "docker")
    assert [line["step_us"] for line in trend.read("lua", tmp_path)] == [9000.0, None]
    speed.save([bench.Measured("lua", "b" * 64, 4200.0, 31.0, {}, 4.3, 18.0)], "docker")
    assert [line["step_us"] for line in trend.read("lua", tmp_path)] == [9000.0, 4200.0]
    save(tmp_path, replaced(EXACT, build=replaced(EXACT.build, hash="b" * 64), suite="2" * 64), 1.0, 3)
    save(tmp_path, EXACT, 1.0, 4)
    assert [line["step_us"] for line in trend.read("lua", tmp_path)] == [9000.0, 4200.0, 4200.0, None]


def test_measuring_one_port_keeps_what_is_known_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "mine", lambda: tmp_path)
    monkeypatch.setattr(store, "published", lambda: tmp_path)
    lua, c = (bench.Measured(name, "", 1.0, 1.0, {}, 1.0, None) for name in ("lua", "c"))
    speed.save([lua, c], "docker")
    speed.save([bench.Measured("c", "", 2.0, 1.0, {}, 1.0, None)], "docker")
    ports = json.loads((tmp_path / "bench.json").read_text())["ports"]
    assert {entry["port"]: entry["step_microseconds"] for entry in ports} == {"lua": 1.0, "c": 2.0}
    speed.save([c], "local")
    assert len(json.loads((tmp_path / "bench.json").read_text())["ports"]) == 1


def test_a_damaged_line_costs_no_run_and_is_named_when_it_is_read(tmp_path: Path):
    save(tmp_path, EXACT, 1.0, 1)
    path = tmp_path / "history" / "lua.jsonl"
    path.write_text(path.read_text() + "<<<<<<< HEAD\n")
    save(tmp_path, WRONG, 1.0, 2)
    assert path.read_text().splitlines()[1] == "<<<<<<< HEAD"
    assert len(path.read_text().splitlines()) == 3
    with pytest.raises(ResultsError, match="line 2, is no line of a history: '<<<<<<< HEAD'"):
        trend.read("lua", tmp_path)


def test_history_is_a_table_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "mine", lambda: tmp_path)
    monkeypatch.setattr(store, "published", lambda: tmp_path)
    nothing = CliRunner().invoke(cli.main, ["history", "lua"])
    assert nothing.exit_code == 2 and "lua has no history yet" in nothing.stderr
    save(tmp_path, EXACT, 1.0, 1)
    save(tmp_path, WRONG, 1.0, 2)
    shown = CliRunner().invoke(cli.main, ["history", "lua"]).output
    assert "✓✓✓✓✓✓✓✗✓✓✓✓" in shown and "disagrees" in shown and "2026-01-02" in shown
    assert max(map(len, shown.splitlines())) <= 80
    told = json.loads(CliRunner().invoke(cli.main, ["history", "lua", "--json"]).output)
    assert told == trend.read("lua", tmp_path)
