"""Sets are spoiled as stated, learners are measured alike, and nothing is claimed too easily."""

from __future__ import annotations

import math
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from click.testing import CliRunner

from harness.cli import main as cli
from harness.judge.check import engine as ports
from reference import microgpt
from reference.app import garden
from reference.app.engine import Engine
from science.seed_quality import plan, sets, statistics, store, study, trial
from science.seed_quality.ngram import Ngram
from science.seed_quality.plan import QUICK, WHOLE, Plan, Trial
from science.seed_quality.spoiling import CLEAN, COPIED, Spoiling, all_spoilings
from science.seed_quality.statistics import Interval, interval
from science.seed_quality.store import Store
from science.seed_quality.trial import Corpus, Course, Json, Size

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
SPOILED = (CLEAN, Spoiling("mixed", 0.5))
TINY = Plan(("sums", "hexcolors"), SPOILED, (7, 8), 2, 3, {"sums": (Size(rounds=2),)})


# ---------------------------------------------------------------- sets and how they are spoiled


@pytest.mark.parametrize("name", sets.NAMES)
def test_no_set_takes_a_line_of_the_one_that_is_mixed_into_it(name: str):
    one = sets.load(name)
    assert not any(map(one.check, sets.load(one.foreign).lines))
    assert all(map(one.check, one.lines))


@pytest.mark.parametrize("name", sets.NAMES)
def test_held_out_lines_are_never_trained_on_and_have_tokens(name: str):
    one = sets.load(name)
    assert one.held_out and not set(one.lines) & set(one.held_out)
    for spoiling in all_spoilings():
        known = set(spoiling.alphabet(one))
        assert known.issuperset("".join((*spoiling.lines(one, 42), *one.held_out))), spoiling


def test_a_larger_set_is_thinned_and_a_smaller_one_is_whole():
    assert len(sets.load("names").lines) == sets.MOST_LINES
    assert len(sets.load("chords").lines) == sum(not garden.is_held_out(x) for x in garden.lines_of("chords"))


@pytest.mark.parametrize("amount", [0.01, 0.5])
def test_swapping_moves_this_share_of_the_letters_and_changes_no_count_and_no_length(amount: float):
    one = sets.load("variables")
    lines = Spoiling("swapped", amount).lines(one, 42)
    assert Counter("".join(lines)) == Counter("".join(one.lines))
    assert [len(line) for line in lines] == [len(line) for line in one.lines]
    pairs = list(zip("".join(lines), "".join(one.lines), strict=True))
    changed = sum(a != b for a, b in pairs) / len(pairs)
    assert 0.85 * amount < changed <= amount  # some places get the letter that they had


def test_copies_are_of_ten_lines_and_foreign_lines_are_as_many_as_stated():
    one, foreign = sets.load("hexcolors"), set(sets.load("roman").lines)
    copied = Counter(Spoiling("copied", 0.5).lines(one, 42))
    assert sum(copied.values()) == len(one.lines)
    assert sum(count > 1 for count in copied.values()) == COPIED
    assert len(copied) == len(one.lines) - round(0.5 * len(one.lines))
    mixed = Spoiling("mixed", 0.25).lines(one, 42)
    assert sum(line in foreign for line in mixed) == round(0.25 * len(one.lines))


def test_a_greater_amount_spoils_what_the_smaller_one_does_and_more():
    one = sets.load("sums")
    half, quarter = (set(Spoiling("reduced", share).lines(one, 42)) for share in (0.5, 0.25))
    assert quarter < half < set(one.lines) and len(half) == round(0.5 * len(one.lines))
    few, many = (Spoiling("mixed", share).lines(one, 42) for share in (0.1, 0.5))
    assert all(b != clean for a, b, clean in zip(few, many, one.lines, strict=True) if a != clean)


def test_a_seed_spoils_alike_again_and_another_one_otherwise():
    one = sets.load("sums")
    for spoiling in all_spoilings():
        again = spoiling.lines(one, 42)
        assert spoiling.lines(one, 42) == again
        assert (spoiling.lines(one, 43) == again) == (spoiling.way in ("clean", "sorted"))


# ---------------------------------------------------------------- learners


def test_an_n_gram_is_smoothed_as_witten_and_bell_say():
    model = Ngram(2, 3, [[2, 0, 1, 2], [2, 0, 1, 2], [2, 0, 0, 2]])  # ab, ab, aa; the third token is the end
    unigram = [(4 + 3 / 3) / 12, (2 + 3 / 3) / 12, (3 + 3 / 3) / 12]
    assert model.probabilities(()) == pytest.approx(unigram)
    after_a = [(count + 3 * p) / 7 for count, p in zip((1, 2, 1), unigram, strict=True)]
    assert model.probabilities((0,)) == pytest.approx(after_a)
    assert model.probabilities((9, 0)) == model.probabilities((0,))


def test_probabilities_add_up_to_one_and_bits_are_their_mean_logarithm():
    one = sets.load("sums")
    tokenizer = microgpt.Tokenizer(one.alphabet)
    encoded = trial.encoded(tokenizer, one.held_out)
    assert encoded == [tokenizer.encode(line) for line in one.held_out]
    model = Ngram(6, tokenizer.vocabulary, trial.encoded(tokenizer, one.lines))
    logarithms = []
    for tokens in encoded:
        history = (tokenizer.bos,) * 5
        for token in tokens[1:]:
            probabilities = model.probabilities(history)
            assert sum(probabilities) == pytest.approx(1.0)
            logarithms.append(math.log2(probabilities[token]))
            history = (*history, token)[1:]
    assert model.bits(encoded) == pytest.approx(-sum(logarithms) / len(logarithms))


def test_temperature_a_half_squares_the_counts_and_another_one_is_refused():
    class At(random.Random):
        where = 0.0

        def random(self) -> float:
            return self.where

    model, draw = Ngram(2, 3, [[2, 0, 2], [2, 0, 2], [2, 0, 2], [2, 1, 2]]), At()
    for temperature, edge in ((1.0, 3 / 4), (0.5, 9 / 10)):
        for draw.where, token in ((edge - 0.01, 0), (edge + 0.01, 1)):
            assert model.sample(temperature, 1, draw) == [token]
    with pytest.raises(ValueError, match="one of"):
        model.sample(0.7, 1, draw)


def test_what_an_n_gram_makes_up_has_been_seen_piece_by_piece():
    one = sets.load("hexcolors")
    tokenizer = microgpt.Tokenizer(one.alphabet)
    model = Ngram(3, tokenizer.vocabulary, trial.encoded(tokenizer, one.lines))
    seen = {line[i : i + 3] for line in one.lines for i in range(len(line) - 2)}
    for _ in range(50):
        made = tokenizer.decode(model.sample(1.0, one.block, random.Random(1)))
        assert {made[i : i + 3] for i in range(len(made) - 2)} <= seen


def test_parameters_begin_alike_whatever_the_lines_and_sorted_lines_keep_their_order():
    preset, lines = microgpt.PRESETS["classic"], sorted(sets.load("sums").lines)[:50]
    alphabet = sets.load("sums").alphabet
    whole = Course(preset, lines, alphabet, 42, shuffled=True)
    fewer = Course(preset, lines[:5], alphabet, 42, shuffled=True)
    ordered = Course(preset, lines, alphabet, 42, shuffled=False)
    begun = [[x.data for x in microgpt.flatten(one.training.parameters)] for one in (whole, fewer, ordered)]
    assert begun[0] == begun[1] == begun[2]
    assert ordered.documents == lines != whole.documents
    assert sorted(whole.documents) == lines


def test_a_gpt_s_bits_are_the_mean_over_all_held_out_characters():
    one = replace(sets.load("sums"), held_out=("1+1=2", "10+10=20"))
    found = trial.of_gpt(Corpus(one, CLEAN, 42), Size(), 1, 1, Engine())
    course = Course(trial.preset_of("classic", 1, {"block": one.block}), one.lines, one.alphabet, 42, True)
    Engine().advance(course)
    total = 0.0
    for line in one.held_out:
        tokens, training = course.tokenizer.encode(line), course.training
        total += microgpt.document_loss(training.config, training.parameters, tokens).data * (len(line) + 1)
    assert found["bits"] == pytest.approx(total / (6 + 9) / math.log(2.0))


def test_another_round_begins_where_the_last_one_ended_at_half_the_rate(monkeypatch: pytest.MonkeyPatch):
    begun: list[tuple[float, float]] = []

    class Watched(Engine):
        def advance(self, run: microgpt.Run) -> list[float]:
            training = run.training
            total = sum(abs(x.data) for x in microgpt.flatten(training.parameters))
            begun.append((training.optimizer.learning_rate, total))
            assert not any(training.m)
            return super().advance(run)

    size = Size(embedding=32, block=2, rounds=2)
    corpus = Corpus(replace(sets.load("sums"), held_out=("1",)), CLEAN, 42)
    trial.of_gpt(corpus, size, 1, 1, Watched())
    (first, before), (second, after) = begun
    assert (first, second) == (0.005, 0.0025) and before != after


def test_shares_count_right_new_and_different_samples():
    one = sets.load("sums")
    texts = ["5+5=10", "1+1=3", "0+0=0", "0+0=0"]
    found = trial.harvest(one, ["5+5=10"], texts, 0.5)
    shares = [found[f"{share} at 0.5"] for share in trial.SHARES]
    assert shares == [0.75, 0.5, 0.75, 0.25]


# ---------------------------------------------------------------- statistics


def test_student_s_quantiles_leave_five_per_cent_outside():
    for freedom, quantile in enumerate(statistics.STUDENT, start=1):
        scale = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2) / math.sqrt(freedom * math.pi)
        steps = 20_000
        inside = sum(
            scale * (1 + (quantile * (i + 0.5) / steps) ** 2 / freedom) ** (-(freedom + 1) / 2)
            for i in range(steps)
        )
        assert 2 * inside * quantile / steps == pytest.approx(0.95, abs=2e-5), freedom


def test_nothing_is_claimed_where_the_interval_has_zero_in_it_or_on_its_edge():
    found = interval([1.0, 2.0, 3.0])
    assert (found.mean, found.high) == (2.0, pytest.approx(2 + 4.3027 / math.sqrt(3)))
    assert found.claim == "no claim" == Interval(1.0, 0.0, 2.0).claim == interval([0.0, 0.0]).claim
    assert interval([1.9, 2.0, 2.1]).claim == "higher" and interval([-1.9, -2.0, -2.1]).claim == "lower"


def test_three_seeds_that_differ_by_one_sample_prove_nothing():
    assert interval([0.002] * 3, grain=0.002).claim == "no claim"
    assert interval([0.2] * 3, grain=0.002).claim == "higher"


# ---------------------------------------------------------------- the study


@contextmanager
def by_reference() -> Iterator[ports.Engine]:
    yield ports.Engine("reference")


def made_up(one: Trial, tiny: Plan, engine: Engine) -> Json:
    """A row that depends on the trial alone, at no cost."""
    draw = random.Random(repr(one))
    row: Json = {measure: draw.random() for measure in trial.MEASURES}
    return row | {"parameters": 1, "checksum": "", "samples at 0.5": [repr(one.seed)]}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Plan:
    """A plan whose trials cost nothing, with a store and results of its own."""
    monkeypatch.setenv("CONFORM_CACHE", f"{tmp_path}/cache")
    monkeypatch.setenv("CONFORM_RESULTS", f"{tmp_path}/results")
    monkeypatch.setattr(study, "fastest", by_reference)
    monkeypatch.setattr(Trial, "run", made_up)
    return TINY


def carried_out(tiny: Plan, jobs: int = 1, told: list[Trial] | None = None) -> str:
    done = [] if told is None else told
    return study.text_of(study.carry_out(tiny, jobs, Store(tiny), lambda one, *_: done.append(one)))


def test_two_jobs_and_one_give_the_same_figures(tiny: Plan):
    alone = carried_out(tiny)
    Store(tiny).forget()
    assert carried_out(tiny, jobs=2) == alone


def test_a_study_that_was_stopped_goes_on_where_it_stood(tiny: Plan):
    def stop(one: Trial, done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.carry_out(tiny, 1, Store(tiny), stop)
    with Store(tiny).path.open("a") as file:
        file.write('\n{"trial": {"set": "su')  # killed while it wrote
    rest: list[Trial] = []
    resumed = carried_out(tiny, told=rest)
    assert len(rest) == len(set(tiny.trials())) - 5
    Store(tiny).forget()
    assert carried_out(tiny) == resumed


def test_other_steps_samples_or_code_begin_another_store(monkeypatch: pytest.MonkeyPatch):
    first = store.fingerprint(QUICK)
    for other in (replace(QUICK, steps=201), replace(QUICK, samples=51)):
        assert store.fingerprint(other) != first
    assert store.fingerprint(replace(QUICK, sets=("sums",))) == first
    monkeypatch.setattr(store, "MODULES", store.MODULES[1:])
    assert store.fingerprint(QUICK) != first


def test_check_tells_the_same_figures_from_others(tiny: Plan, monkeypatch: pytest.MonkeyPatch):
    from harness.cli import seed_quality as command

    monkeypatch.setattr(command, "WHOLE", tiny)
    ask = ["seed-quality", "--jobs", "1", "--seed", "7"]
    assert CliRunner().invoke(cli.main, ask).exit_code == 0
    assert CliRunner().invoke(cli.main, [*ask, "--check"]).exit_code == 0
    kept = study.file().read_text()
    study.file().write_text(kept.replace('"steps": 2', '"steps": 3'))
    found = CliRunner().invoke(cli.main, [*ask, "--check"])
    assert found.exit_code == 2 and "are others" in found.output


def test_a_check_of_the_quick_part_is_refused():
    found = CliRunner().invoke(cli.main, ["seed-quality", "--quick", "--check"])
    assert found.exit_code == 2 and "leave out --quick" in found.output


@pytest.mark.slow
@needs_gcc
def test_the_quick_part_runs_on_a_port_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: object):
    monkeypatch.setenv("CONFORM_RESULTS", f"{tmp_path}/results")
    found = CliRunner().invoke(cli.main, ["seed-quality", "--quick", "--jobs", "1", "--fresh"])
    assert found.exit_code == 0, found.output
    assert "hexcolors" in found.output and "Larger models" in found.output
    assert study.load() is None


@pytest.mark.slow
@needs_gcc
def test_a_port_and_the_reference_give_the_same_row():
    corpus = Corpus(replace(sets.load("sums"), held_out=sets.load("sums").held_out[:2]), CLEAN, 42)
    size = Size(block=4, rounds=2)
    with ports.fastest() as found:
        by_port = trial.of_gpt(corpus, size, 3, 4, trial.computer(found))
    assert by_port == trial.of_gpt(corpus, size, 3, 4, Engine())


# ---------------------------------------------------------------- what is published


@pytest.fixture(scope="module")
def published() -> Json:
    found = study.load()
    assert found is not None
    return found


def test_what_is_published_is_the_whole_plan(published: Json):
    assert (published["seeds"], published["steps"], published["samples"]) == (
        *(list(WHOLE.seeds), WHOLE.steps, WHOLE.samples),
    )
    assert len(published["cells"]) == len(WHOLE.sets) * len(WHOLE.spoilings) * len(plan.LEARNERS)
    assert len(published["sizes"]) == sum(map(len, WHOLE.sizes.values()))
    assert len(WHOLE.sets) >= 8 and len(WHOLE.seeds) >= 3


def test_the_published_means_are_those_of_the_published_cells(published: Json):
    def figures(name: str, way: str, amount: float) -> list[float]:
        [row] = [
            row
            for row in published["cells"]
            if (row["set"], row["way"], row["amount"], row["learner"]) == (name, way, amount, plan.GPT)
        ]
        return row["bits"]

    for row in published["effects"]:
        clean = figures(row["set"], "clean", 0.0)
        spoiled = figures(row["set"], row["way"], row["amount"])
        differences = [a - b for a, b in zip(spoiled, clean, strict=True)]
        found = interval(differences)
        assert row["bits"] == pytest.approx([found.mean, found.low, found.high], abs=1e-5)


def test_what_the_page_says_in_words_holds(published: Json):
    def claims(way: str, measure: str, learner: str = plan.GPT) -> dict[float, str]:
        rows = [row for row in published["overall"] if (row["learner"], row["way"]) == (learner, way)]
        return {row["amount"]: Interval(*row[measure][:3]).claim for row in rows}

    none, higher, lower = {"no claim"}, {"higher"}, {"lower"}
    for way in ("swapped", "copied", "mixed", "reduced", "sorted"):
        assert set(claims(way, "bits").values()) == higher
    assert set(claims("swapped", "harvest at 0.5").values()) == none
    assert set(claims("copied", "harvest at 0.5").values()) == lower
    assert set(claims("copied", "validity at 0.5").values()) == none
    for measure in ("harvest at 0.5", "harvest at 1", "validity at 0.5"):
        assert set(claims("reduced", measure).values()) == none
    assert {a for a, claim in claims("swapped", "harvest at 1").items() if claim == "lower"} == {
        0.1,
        0.2,
        0.5,
    }
    [roman] = [
        row
        for row in published["effects"]
        if (row["set"], row["way"], row["amount"]) == ("roman", "reduced", 0.0625)
    ]
    assert Interval(*roman["harvest at 0.5"]).claim == "higher"
    for rival in plan.RIVALS:
        for measure in trial.MEASURES:
            assert set(claims("sorted", measure, rival).values()) == none


@pytest.mark.slow
@needs_gcc
def test_a_published_training_comes_out_again_bit_for_bit(published: Json):
    with ports.fastest() as found:
        row = Trial("hexcolors", CLEAN, 42, plan.GPT).run(WHOLE, trial.computer(found))
    [about] = [one for one in published["sets"] if one["name"] == "hexcolors"]
    assert (row["checksum"], row["parameters"]) == (about["checksum"], about["parameters"])
    assert row["samples at 0.5"] == about["samples"][plan.GPT]
