"""Claims about climbing the ladder, the record of a climb, and the report of the record."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import records
from msgspec.structs import replace as replaced
from rich.console import Console

from conformance import ladder, verbs
from conformance.messages import Reply, Request
from harness import files, paths
from harness.build.manifest import Known, Manifest
from harness.build.runners import Prepared
from harness.errors import BuildFailed, LimitExceeded, MachineFault, ManifestError, PortCrashed, ProtocolFault
from harness.explain.causes import CAUSES, likely_cause
from harness.judge.climb import FAULTS_PER_LEVEL, climb, reached
from harness.judge.compare import Difference
from harness.report import store, terminal
from harness.report.making import Climb, build_failure, make, source_size
from harness.report.record import Record, text_of
from harness.run.limits import Limits

LEVELS = [(level, level.cases[:4]) for level in ladder.levels()]
GOLDEN = {(level.verb, case.request.id): case.golden for level, cases in LEVELS for case in cases}
MANIFEST = Manifest("reference", "Python", "python3 -m reference conform", Path("."))
PREPARED = Prepared("local", "0" * 64, False, 1.5, "Python 3.13")
Answer = Callable[[Request, Reply], Reply]


class Fake:
    """A session whose answers are the golden traces, after `change` has had them."""

    limits = Limits()

    def __init__(self, change: Answer = lambda request, golden: golden) -> None:
        self.change = change
        self.asked: list[str] = []
        self.closed = False

    def ask(self, request: Request, timeout: float | None = None) -> Reply:
        self.asked.append(f"{request.verb}/{request.id}")
        verb = request.verb if request.verb in verbs.NAMES else "hello"
        return self.change(request, GOLDEN[verb, request.id])

    def close(self) -> None:
        self.closed = True


def judged(change: Answer = lambda request, golden: golden):
    session = Fake(change)
    return climb(session, LEVELS, "reference"), session  # type: ignore[arg-type]


def with_record(change: Answer = lambda request, golden: golden, **manifest: object) -> Record:
    found, _ = judged(change)
    return make(replace(MANIFEST, **manifest), PREPARED, Climb(found), records.RAN)  # type: ignore[arg-type]


def shown(made: Record) -> str:
    console = Console(width=100, record=True, file=io.StringIO())
    terminal.show(made, console)
    return console.export_text()


def one_bit_off(verb: str) -> Answer:
    def change(request: Request, golden: Reply) -> Reply:
        if request.verb != verb or not golden.ok:
            return golden
        *lines, last = golden.lines
        flipped = f"{int(last[-1], 16) ^ 1:x}"
        return replace(golden, lines=(*lines, last[:-1] + flipped))

    return change


def raising(fault: Exception, verb: str) -> Answer:
    def change(request: Request, golden: Reply) -> Reply:
        if request.verb == verb:
            raise fault
        return golden

    return change


def unsupported_from(number: int) -> Answer:
    def change(request: Request, golden: Reply) -> Reply:
        if verbs.NAMES.index(request.verb) + 1 >= number if request.verb in verbs.NAMES else False:
            return Reply(request.id, False, "unsupported")
        return golden

    return change


def test_a_port_that_gives_the_golden_traces_reaches_level_12():
    found, session = judged()
    assert reached(found) == 12
    assert session.closed


def test_one_wrong_bit_fails_its_level_and_no_other():
    found, _ = judged(one_bit_off("graph"))
    assert [level.verdict for level in found if level.verdict != "agrees"] == ["disagrees"]
    assert reached(found) == 5
    assert found[5].first_failure.difference.ulps == 1


def test_a_missing_verb_costs_one_request():
    found, session = judged(unsupported_from(7))
    assert [level.verdict for level in found[6:]] == ["unsupported"] * 6
    assert sum(asked.startswith("forward/") for asked in session.asked) == 1
    assert reached(found) == 6


def test_a_port_that_faults_again_and_again_is_not_asked_for_ever():
    found, session = judged(raising(PortCrashed("it exited with code 1"), "math"))
    assert found[2].verdict == "crashed"
    assert sum(asked.startswith("math/") for asked in session.asked) == FAULTS_PER_LEVEL
    assert found[3].verdict == "agrees"


def test_a_port_that_cannot_say_hello_is_asked_nothing_else():
    found, session = judged(raising(LimitExceeded("no answer", option="--start-timeout"), "hello"))
    assert session.asked == ["hello/example"]
    assert [level.verdict for level in found[1:]] == ["not run"] * 11


def test_the_machine_is_never_held_against_the_port():
    with pytest.raises(MachineFault):
        judged(raising(MachineFault("the engine went away"), "adam"))


def test_what_is_said_after_the_last_reply_counts():
    class Chatty(Fake):
        def close(self) -> None:
            raise ProtocolFault("the port wrote 'bye' unasked")

    found = climb(Chatty(), LEVELS, "reference")  # type: ignore[arg-type]
    assert found[-1].verdict == "protocol"
    assert reached(found) == 11


def test_nothing_checked_is_a_failure():
    made = make(MANIFEST, PREPARED, Climb([]), records.RAN)
    assert made.outcome == "nothing checked"
    assert "counts as a failure" in shown(made)


def test_a_claimed_level_that_is_not_reached_is_a_failure():
    assert with_record(unsupported_from(7)).outcome == "unsupported"
    assert "claims level 12 of 12 and reaches 6" in shown(with_record(unsupported_from(7)))


def test_a_claimed_level_that_is_reached_conforms():
    made = with_record(unsupported_from(7), level=6)
    assert (made.outcome, made.reached_level) == ("conforms", 6)


def test_more_than_is_claimed_is_said():
    made = with_record(level=6)
    assert made.outcome == "conforms"
    assert "reaches more than it claims" in shown(made)


def known_in(verb: str) -> tuple[Known, ...]:
    return (Known(f"{verb}/example", "it cannot", "https://example.org/why"),)


def judged_with_known(change: Answer, known: tuple[Known, ...]) -> Record:
    found = climb(Fake(change), LEVELS, "reference", known={entry.case for entry in known})  # type: ignore[arg-type]
    manifest = replace(MANIFEST, known=known)
    return make(manifest, PREPARED, Climb(found), records.RAN)


def only_the_example_of(verb: str) -> Answer:
    wrong = one_bit_off(verb)
    return lambda request, golden: wrong(request, golden) if request.id == "example" else golden


def test_a_known_shortcoming_is_excused_and_shown():
    made = judged_with_known(only_the_example_of("graph"), known_in("graph"))
    assert (made.outcome, made.reached_level) == ("conforms", 12)
    assert "expected failures: graph/example (it cannot)" in shown(made)


def test_a_known_shortcoming_that_passes_is_a_failure():
    made = judged_with_known(lambda request, golden: golden, known_in("graph"))
    assert made.outcome == "fixed"
    assert "unexpected pass of graph/example; remove it" in shown(made)


def test_a_known_shortcoming_excuses_no_other_case():
    assert judged_with_known(one_bit_off("graph"), known_in("graph")).outcome == "disagrees"


def test_a_known_shortcoming_never_excuses_the_machine():
    with pytest.raises(MachineFault):
        judged_with_known(raising(MachineFault("no engine"), "graph"), known_in("graph"))


def test_the_first_divergence_stands_last_where_it_is_seen():
    text = shown(with_record(one_bit_off("backward")))
    assert text.index("First divergence") > text.index("verdict")
    for part in (
        "level 8, backward, case example",
        "1 ulp",
        "make conform PORT=reference",
        "CASE=backward/example",
    ):
        assert part in text


def test_the_report_of_a_fault_shows_message_hint_and_log():
    fault = LimitExceeded("no reply within 120 s", option="--request-timeout", log=("thinking ...",))
    text = shown(with_record(raising(fault, "train")))
    for part in (
        "First fault",
        "no reply within 120 s",
        "--request-timeout raises this limit",
        "thinking ...",
    ):
        assert part in text


def test_a_failed_build_has_a_record_too():
    fault = BuildFailed("gcc exited with code 1", command="gcc x.c", log=("x.c:1: error",))
    made = build_failure(MANIFEST, fault, "docker", records.RAN)
    assert made.outcome == "build failed"
    assert "could not be built: gcc exited with code 1" in shown(made)


def test_a_record_survives_the_disk(tmp_path: Path):
    made = with_record(one_bit_off("sample"))
    assert store.read(store.save(made, tmp_path)) == made


def test_all_records_of_a_folder_are_read_and_nothing_else(tmp_path: Path):
    store.save(replaced(with_record(), port="b"), tmp_path)
    store.save(replaced(with_record(), port="a"), tmp_path)
    (tmp_path / "bench.json").write_text('{"schema": 1, "ports": []}')
    assert [made.port for made in store.read_all(tmp_path)] == ["a", "b"]
    (tmp_path / "c.json").write_text('{"port": "c", "schema": 1}')
    with pytest.raises(ManifestError, match="has the form of version 1"):
        store.read_all(tmp_path)


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = files.write_whole(tmp_path / "x.txt", "before")

    def full_disk(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "chmod", full_disk)
    with pytest.raises(MachineFault, match="x.txt cannot be written: No space left on device"):
        files.write_whole(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not a JSON file"),
        ("[]", "does not hold a record, but list"),
        ('{"schema": 3}', "does not fit record.schema.json"),
        ('{"schema": 1}', "has the form of version 1; this is version 3"),
    ],
)
def test_a_broken_record_gets_a_sentence(tmp_path: Path, text: str, sentence: str):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=sentence):
        store.read(path)


def test_a_record_names_every_case_once():
    made = with_record(one_bit_off("sample"))
    for level in made.levels:
        failed = [case.case.partition("/")[2] for case in level.failures]
        names = [*failed, *(name for names in level.others.values() for name in names)]
        assert len(set(names)) == len(names) == level.cases
        assert len(level.others["agrees"]) == level.agreed


def test_a_record_follows_the_first_wrong_reply_in_the_order_of_computation():
    assert with_record().trail is None
    made = with_record(one_bit_off("forward"))
    case = made.levels[6].failures[0]
    assert made.trail.case == case.case
    wrong = [quantity for quantity in made.trail.quantities if quantity.different]
    assert wrong[0].first == case.difference
    assert made.trail.quantities[0].name == "pos0.embedded"


def test_the_size_of_a_port_counts_no_blank_lines(tmp_path: Path):
    (tmp_path / "a.py").write_text("one\n\n  \ntwo")
    (tmp_path / "table.bin").write_bytes(b"\0\n1\n")
    (tmp_path / "port.yaml").write_text("language: Test\n")
    assert source_size(replace(MANIFEST, folder=tmp_path)) == (2, 2)


def test_a_record_with_a_misspelt_key_does_not_fit(tmp_path: Path):
    text = text_of(with_record()).replace('"verdict": "agrees"', '"verdict": "agree"', 4)
    path = tmp_path / "reference.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=r"Invalid enum value 'agree' - at `\$\.levels\[0\]\.verdict`"):
        store.read(path)


def test_every_cause_can_be_found_and_names_a_section_that_exists():
    headings = (paths.root() / "conformance" / "SPEC.md").read_text()
    for cause in CAUSES:
        assert f"\n## {cause.section.split(',')[0]}. " in headings
        assert cause.verb in verbs.NAMES


def test_causes_depend_on_checkpoint_and_distance():
    near = Difference("value", "gradient[3]", "", "", ulps=1)
    far = Difference("value", "gradient[3]", "", "", ulps=10**9)
    assert "another order" in likely_cause("graph", near).sentence
    assert "another order" not in likely_cause("graph", far).sentence
    assert likely_cause("graph", Difference("shape", "gradient[3]", "", "")) is None
