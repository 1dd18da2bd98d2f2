"""Claims about fuzzing: mistakes are found, made small, kept, and found again by the same seed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import RLock
from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner
from fakes import FunctionProcess
from rich.console import Console

from conformance import ladder, verbs
from conformance.cases import LEVELS
from conformance.golden import found_files
from conformance.messages import golden_of, request_of
from harness import paths
from harness.cli import main as cli
from harness.cli.try_case import asked
from harness.errors import MachineFault
from harness.fuzz import campaign as campaign_module
from harness.fuzz import found, report
from harness.fuzz.campaign import Campaign, Course
from harness.fuzz.target import Target
from harness.run.process import Exit
from harness.run.session import Session
from reference import microgpt
from reference.microgpt import Value
from reference.protocol import replies

pytestmark = pytest.mark.slow

Answer = Callable[[bytes], Iterable[bytes | Exit]]


ONE_AT_A_TIME = RLock()  # a mistake is one of the whole process


def answered(data: bytes) -> bytes:
    """What the reference as a port says to these bytes."""
    output = io.BytesIO()
    with ONE_AT_A_TIME:
        replies.answer_all(io.BytesIO(data), output)
    return output.getvalue()


def right(data: bytes) -> Iterable[bytes | Exit]:
    yield answered(data)


def mistaken(target: object, name: str, mistake: object) -> Answer:
    """A port that is the reference with one mistake."""

    def answer(data: bytes) -> Iterable[bytes | Exit]:
        with ONE_AT_A_TIME, patch.object(target, name, mistake):
            answer = answered(data)
        yield answer

    return answer


def slope_of_exp_is_one(self: Value) -> Value:
    return Value(microgpt.maths.exp(self.data), (self,), (1.0,))


def swapped_order(self: Value, other: Value | float) -> Value:
    other = other if isinstance(other, Value) else Value(other)
    return Value(self.data * other.data, (other, self), (self.data, other.data))


@pytest.fixture
def fuzzed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Campaign]:
    """Runs a campaign on ports that are functions. Each has a cache of its own unless they share `cache`."""

    def run(answers: dict[str, Answer], cache: str = "", **options: Any) -> Campaign:
        folder = tmp_path / (cache or f"cache-{len(list(tmp_path.iterdir()))}")
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("CONFORM_CACHE", str(folder))
        monkeypatch.setattr(campaign_module, "SHRINK_SECONDS", 3600.0)  # a busy machine changes nothing
        targets = [
            Target(name, Session(lambda answer=answer: FunctionProcess(answer)))  # type: ignore[misc]
            for name, answer in answers.items()
        ]
        options = {"seed": 1, "count": 300, "verbs": ["graph"], **options}
        campaign = Campaign(targets, Course(**options), folder / "found")
        campaign.run()
        json.dumps(campaign.result())
        return campaign

    return run


def only_finding(campaign: Campaign) -> dict[str, Any]:
    [entry] = campaign.found
    return entry


def test_a_right_port_is_asked_everything_and_nothing_is_found(fuzzed):
    campaign = fuzzed({"reference": right}, count=500, verbs=verbs.NAMES)
    assert campaign.found == []
    assert campaign.ended == "count"
    assert campaign.requests == 500
    assert {verb for verb, _ in campaign.asked} == set(verbs.NAMES)
    assert {kind for _, kind in campaign.asked} == {"good", "bad"}


def test_a_planted_mistake_is_found_and_made_as_small_as_can_be(fuzzed):
    wrong = mistaken(Value, "exp", slope_of_exp_is_one)
    entry = only_finding(fuzzed({"wrong": wrong}, kinds=["good"]))
    header, *lines = entry["request"].splitlines()
    assert header == f"graph {entry['case'].partition('/')[2]}"
    assert lines == ["math exact", "leaf 3ff0000000000000", "exp 0", "root 1", "end"]
    assert entry["failure"]["verdict"] == "disagrees"
    assert entry["failure"]["difference"]["checkpoint"] == "gradient[0]"
    assert entry["repeats"]


def test_a_wrong_order_of_accumulation_is_found(fuzzed):
    wrong = mistaken(Value, "__mul__", swapped_order)
    entry = only_finding(fuzzed({"wrong": wrong}, count=3000, kinds=["good"]))
    assert entry["failure"]["difference"]["kind"] == "value"
    assert len(entry["request"].splitlines()) < 20


def test_the_same_seed_finds_the_same(fuzzed):
    wrong = mistaken(Value, "exp", slope_of_exp_is_one)
    first, second = (fuzzed({"wrong": wrong}, seed=7, kinds=["good"]).result() for _ in range(2))
    for result in (first, second):
        del result["seconds"]
        for entry in result["found"]:
            del entry["path"]
    assert first == second
    assert len(first["found"]) == 1


def test_the_same_seed_asks_the_same_and_another_seed_something_else(fuzzed):
    def heard(seed: int, count: int) -> list[bytes]:
        requests: list[bytes] = []

        def answer(data: bytes) -> Iterable[bytes | Exit]:
            requests.append(data)
            yield answered(data)

        fuzzed({"right": answer}, seed=seed, count=count, verbs=["arith", "tokens"])
        return requests

    first, shorter = heard(3, 100), heard(3, 50)
    assert heard(3, 100) == first
    assert first[: len(shorter)] == shorter
    assert heard(4, 100) != first


SUITE = {case.path.read_bytes() for level in ladder.levels() for case in level.cases if not case.large}


def lookup_table(data: bytes) -> Iterable[bytes | Exit]:
    """A port that is right wherever the suite looks, and nowhere else."""
    if data in SUITE:
        yield answered(data)
    else:
        yield b"ok " + request_of(data).id.encode() + b"\nend\n"


def test_a_finding_that_nobody_asked_to_keep_leaves_the_suite_alone(fuzzed, tmp_path: Path):
    entry = only_finding(fuzzed({"table": lookup_table}, kinds=["good"]))
    assert not entry["saved"] and entry["repeats"] and not list(tmp_path.glob("*/found/*"))
    case = asked(entry["path"])
    assert case.golden == golden_of(case.request) and case.request.data().decode() == entry["request"]


def test_what_the_suite_sees_already_is_not_added(fuzzed, tmp_path: Path):
    wrong = mistaken(Value, "exp", slope_of_exp_is_one)
    entry = only_finding(fuzzed({"wrong": wrong}, keep=True, kinds=["good"]))
    assert not entry["saved"] and not list(tmp_path.glob("*/found/*"))
    seen = ladder.find_case(entry["seen"])
    assert seen.level.verb == "graph"


def test_a_port_that_answers_nothing_adds_nothing(fuzzed, tmp_path: Path):
    def broken(data: bytes) -> Iterable[bytes | Exit]:
        yield Exit(code=1)

    campaign = fuzzed({"broken": broken}, keep=True, verbs=verbs.NAMES)
    assert len(campaign.found) > 3 and not list(tmp_path.glob("*/found/*"))
    assert not any(entry["saved"] for entry in campaign.found)


def test_a_campaign_adds_three_cases_at_most(fuzzed, tmp_path: Path):
    names = ["arith", "math", "random", "tokens", "graph"]
    campaign = fuzzed({"table": lookup_table}, keep=True, kinds=["good"], verbs=names)
    assert sum(entry["saved"] for entry in campaign.found) == 3 < len(campaign.found)
    assert len(list(tmp_path.glob("*/found/*.request"))) == 3


def test_a_finding_belongs_to_the_suite_from_then_on(fuzzed):
    entry = only_finding(fuzzed({"table": lookup_table}, keep=True, kinds=["good"]))
    folder = Path(entry["path"]).absolute().parent
    assert entry["saved"] and not entry["seen"]
    plain = {level.verb: level for level in ladder.levels()}["graph"]
    level = ladder.Level(plain.number, "graph", plain.folder, folder)
    case = level.cases[-1]
    assert case.id == entry["case"] and case.name.startswith("found-")
    assert case.request.id == case.golden.id == case.name
    assert case.golden == golden_of(case.request)
    assert ladder.content_hash([level]) != ladder.content_hash([plain])
    before = [ladder.Case(level, case.name, case.path) for case in plain.cases if not case.large]
    assert level.cases[:-1] == tuple(before)


def test_goldens_of_findings_are_kept_made_again_and_cleared_away(tmp_path: Path):
    case = found.save("graph", b"graph fuzz\nmath exact\nleaf 3ff0000000000000\nroot 0\nend\n", tmp_path)
    golden = case.path.with_suffix(".golden")
    assert found_files(LEVELS, tmp_path) == ({golden: golden.read_bytes()}, {golden})
    golden.unlink()
    assert list(found_files(LEVELS, tmp_path)[0]) == [golden]
    case.path.rename(tmp_path / "elsewhere")
    golden.touch()
    assert found_files(LEVELS, tmp_path) == ({}, {golden})


def test_a_failure_of_a_former_campaign_is_tried_again_first(fuzzed):
    wrong = mistaken(Value, "exp", slope_of_exp_is_one)
    before = only_finding(fuzzed({"wrong": wrong}, cache="same", kinds=["good"]))
    again = fuzzed({"wrong": wrong}, cache="same", seed=99, kinds=["good"])
    assert again.requests == 0
    assert only_finding(again)["case"] == before["case"]
    mended = fuzzed({"mended": right}, cache="same", count=1)
    assert mended.found == [] and mended.tried_again > 0
    forgotten = fuzzed({"mended": right}, cache="same", count=1)
    assert forgotten.found == [] and forgotten.tried_again <= mended.tried_again


def crashing(data: bytes) -> Iterable[bytes | Exit]:
    if b"\nnumber_div " in data and request_of(data).verb == "graph" and golden_of(request_of(data)).ok:
        yield Exit(signal=11)
    else:
        yield answered(data)


def test_a_crash_is_found_and_the_port_lives_on(fuzzed):
    campaign = fuzzed({"fragile": crashing}, count=200, kinds=["good"], verbs=["graph", "arith"])
    entry = only_finding(campaign)
    assert entry["failure"]["verdict"] == "crashed"
    assert "segmentation fault" in entry["failure"]["fault"]["message"]
    assert [line.split(" ")[0] for line in entry["request"].splitlines()[1:]] == [
        *("math", "leaf", "number_div", "root", "end")
    ]
    assert campaign.asked["arith", "good"] > 30, "it is asked other verbs after that"


def test_several_ports_get_the_same_and_the_wrong_one_is_named(fuzzed):
    wrong = mistaken(Value, "exp", slope_of_exp_is_one)
    campaign = fuzzed({"right": right, "wrong": wrong, "fragile": crashing}, count=300, kinds=["good"])
    assert {entry["port"] for entry in campaign.found} == {"wrong", "fragile"}
    assert campaign.requests == 300


def forgiving(data: bytes) -> Iterable[bytes | Exit]:
    """Takes upper-case hex digits, as many a language's own reader does."""
    lines = data.split(b"\n")
    folded = (line if line.strip().lower() == b"end" else line.lower() for line in lines[1:])
    yield answered(b"\n".join([lines[0], *folded]))


def test_a_port_that_takes_what_is_wrong_is_found(fuzzed):
    entry = only_finding(fuzzed({"forgiving": forgiving}, count=2000, kinds=["bad"], verbs=["arith"]))
    assert entry["kind"] == "bad"
    difference = entry["failure"]["difference"]
    assert (difference["kind"], difference["got"]) == ("error", "ok")


def test_a_failure_that_needs_what_came_before_is_kept_as_a_conversation(fuzzed):
    class Tiring:
        """A port that is right nine times."""

        def __init__(self) -> None:
            self.asked = 0

        def __call__(self, data: bytes) -> Iterable[bytes | Exit]:
            self.asked += 1
            yield answered(data) if self.asked < 10 else b"ok nonsense\nend\n"

    fuzzed({"right": right}, count=1)  # for a cache of its own
    campaign = Campaign(
        [Target("tiring", Session(lambda: FunctionProcess(Tiring())))],
        Course(seed=1, count=100, verbs=["arith"], keep=True),
        paths.cache_dir() / "found",
    )
    campaign.run()
    entry = campaign.found[0]
    assert not entry["repeats"] and not entry["saved"]
    assert entry["failure"]["verdict"] == "protocol"
    assert Path(entry["path"]).read_bytes().count(b"\nend\n") > 1
    assert not list((paths.cache_dir() / "found").glob("*"))


def test_a_port_that_is_silent_when_its_input_ends_is_found(fuzzed):
    def silent(data: bytes) -> Iterable[bytes | Exit]:
        if data.endswith(b"\nend\n") or data == b"end\n":
            yield answered(data)

    entry = only_finding(fuzzed({"silent": silent}, count=3000, kinds=["bad"], verbs=["arith"]))
    assert entry["repeats"] and not entry["saved"]
    assert not Path(entry["path"]).read_bytes().endswith(b"end\n")
    assert "no answer at all" in entry["failure"]["fault"]["message"]


# ---------------------------------------------------------------- the command


def test_the_report_says_what_was_found_and_how_to_repeat_it(fuzzed):
    campaign = fuzzed({"wrong": mistaken(Value, "exp", slope_of_exp_is_one)}, kinds=["good"])
    result = {**campaign.result(), "runner": "local", "only_verbs": ["graph"]}
    console = Console(width=100, record=True, file=io.StringIO())
    report.show(result, console)
    text = console.export_text()
    assert "gradient[0]" in text
    assert "make try PORT=wrong RUNNER=local" in text
    assert "--keep adds to the suite" in text
    assert "1 finding" in text
    assert "conform fuzz wrong --seed 1" in text and "--kind good --verb graph --runner local" in text


def test_time_and_count_exclude_each_other():
    outcome = CliRunner().invoke(cli.main, ["fuzz", "c", "--time", "1", "--count", "1"])
    assert outcome.exit_code == 2
    assert "exclude each other" in outcome.output


def test_a_port_that_does_not_exist_is_named():
    outcome = CliRunner().invoke(cli.main, ["fuzz", "nosuch", "--count", "1"])
    assert outcome.exit_code == 2


def test_a_fault_of_the_machine_is_not_held_against_the_port(fuzzed):
    asked = 0

    def broken(data: bytes) -> Iterable[bytes | Exit]:
        nonlocal asked
        asked += 1
        raise MachineFault("the engine is gone")

    with pytest.raises(MachineFault, match="the engine is gone"):
        fuzzed({"port": broken})
    assert asked == 1, "nobody tries to make the request smaller"


def test_control_c_ends_with_what_was_found(fuzzed):
    asked = 0

    def interrupted(data: bytes) -> Iterable[bytes | Exit]:
        nonlocal asked
        asked += 1
        if asked > 20:
            raise KeyboardInterrupt
        yield answered(data)

    campaign = fuzzed({"port": interrupted}, kinds=["good"])
    assert campaign.ended == "interrupted"
    assert campaign.requests == 20
    assert campaign.found == []


def test_a_port_that_claims_less_is_asked_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path))
    heard: list[str] = []

    def small(data: bytes) -> Iterable[bytes | Exit]:
        heard.append(request_of(data).verb)
        yield answered(data)

    target = Target("small", Session(lambda: FunctionProcess(small)), ("hello", "arith"))
    Campaign([target], Course(seed=1, count=100), tmp_path / "found").run()
    assert "arith" in heard
    assert not set(heard) & set(verbs.NAMES[2:])


def test_the_local_c_port_holds():
    outcome = CliRunner().invoke(
        cli.main, ["fuzz", "c", "--runner", "local", "--count", "600", "--seed", "5", "--json"]
    )
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.output)["requests"] == 600
