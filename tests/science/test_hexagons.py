"""Claims on hexagonal attention: what the tables are, what is learned, what is counted, what may be said."""

from __future__ import annotations

import json
from dataclasses import replace
from math import dist
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cases import case
from conformance.messages import Reply, Request
from harness.cli import main as cli
from harness.errors import ConformError
from harness.judge.check.engine import Engine
from reference import microgpt
from reference.app import garden
from reference.protocol.requests import TrainRequest
from reference.protocol.wire import Fields
from science.hexagons import documents, figures, running, tables, training
from science.hexagons.plan import FULL, PAIRS, PRODUCTS, QUICK, REGIMES, STEPS, Plan
from science.hexagons.training import Cell, Outcome, Trial
from science.statistics import Paired

SMALL = Cell("parens", 16, 1)
TINY = Plan(("parens", "mime"), {16: 2}, (1,), (42, 43), 1)
REFERENCE = Engine("reference")

# ---------------------------------------------------------------- tables


@pytest.mark.parametrize("name", ["hexagonal rows", "hexagonal spiral", "square"])
def test_a_position_of_a_lattice_attends_to_all_earlier_places_beside_it_and_no_others(name: str):
    table, places = tables.NAMED[name].table(64, 0), tables.places(name, 64)
    for t, attended in enumerate(table):
        beside = [s for s in range(t) if dist(places[s], places[t]) < 1.01]
        assert [*beside, t] == list(attended)


@pytest.mark.parametrize("name", ["hexagonal rows", "hexagonal spiral"])
def test_on_a_hexagonal_lattice_places_inside_have_six_neighbours_and_none_has_more(name: str):
    places = tables.places(name, 64)
    counts = [sum(0.01 < dist(one, other) < 1.01 for other in places) for one in places]
    assert max(counts) == 6 and counts.count(6) > 30


def test_a_spiral_leads_from_each_place_to_one_beside_it():
    places = tables.places("hexagonal spiral", 128)
    assert all(dist(a, b) == pytest.approx(1) for a, b in zip(places, places[1:], strict=False))


def test_the_rows_are_those_of_the_ladder():
    assert tables.hexagonal_rows(64) == tuple(map(tuple, case.hexagonal(64, 8)))


@pytest.mark.parametrize("kind", tables.KINDS, ids=lambda kind: kind.name)
def test_a_table_is_one_that_ports_take(kind: tables.Kind):
    for seed in (42, 43):
        trial = Trial(replace(SMALL, block=20), kind.name, seed, 1)
        asked = TrainRequest.read(Fields(trial.request().lines))
        assert asked.training.config.attention == kind.table(20, seed)


@pytest.mark.parametrize("kind", [one for one in tables.KINDS if one.is_matched], ids=lambda kind: kind.name)
def test_a_matched_table_has_as_many_keys_everywhere(kind: tables.Kind):
    for block in FULL.steps:
        expected = list(map(len, tables.hexagonal_rows(block)))
        assert list(map(len, kind.table(block, 42))) == expected


def test_only_tables_by_lot_depend_on_the_seed():
    for kind in tables.KINDS:
        assert (kind.table(64, 1) != kind.table(64, 2)) == kind.by_chance, kind.name


def test_what_a_rule_cannot_have_goes_to_the_nearest_position():
    dilated, strided = (tables.NAMED[name].table(16, 0) for name in ("dilated", "strided"))
    assert dilated[15] == (9, 11, 13, 15)[-len(dilated[15]) :] and dilated[2][:-1] == (0,)
    assert set(strided[9]) <= {1, 5, 8, 9} and strided[5] == (1, 3, 4, 5)


# ---------------------------------------------------------------- reach


@pytest.mark.parametrize("name", ["hexagonal rows", "hexagonal spiral", "dilated", "random"])
def test_hops_are_the_shortest_way(name: str):
    table = tables.NAMED[name].table(20, 7)
    found = tables.hops(table)
    for t in range(20):
        layer, seen = {t}, {t: 0}
        for hop in range(1, 21):
            layer = {s for one in layer for s in table[one]}
            for s in layer:
                seen.setdefault(s, hop)
        assert found[t] == [seen.get(s) for s in range(t + 1)]


def test_reach_of_all_and_of_nothing():
    assert tables.reach(tables.full(16)) == tables.Reach(1.0, 1, 1.0, (1.0,))
    assert tables.reach(tables.itself(16)) == tables.Reach(0.0, 0, 0.0, ())


# ---------------------------------------------------------------- what is learned


@pytest.mark.parametrize("dataset", documents.DATASETS)
def test_held_out_documents_are_not_trained_on_and_joined_ones_fill_the_block(dataset: str):
    material = documents.material(dataset, 64)
    lines = [{*one.split("\n")} for part in (material.training, material.held_out) for one in part]
    assert set().union(*lines) <= {*garden.lines_of(dataset)}
    assert sum(map(len, lines)) == len(set().union(*lines)), "a line stands in two documents"
    assert len(material.training) > 3 * len(material.held_out) > 0
    if documents.DATASETS[dataset]:
        assert all(len(one) >= 64 for one in material.training + material.held_out)


def test_only_lines_that_ended_are_judged():
    assert documents.judged("parens", [[*"()", ""], [*"([)", ""], [*"(("]]) == (1, 2)
    assert documents.judged("mime", [[*"a/b\nc d\ne/"]]) == (1, 2)


def test_a_trial_is_a_run_of_the_reference_with_another_table():
    trial = Trial(SMALL, "full", 43, 2)
    preset = microgpt.PRESETS[training.PRESET]
    preset = replace(preset, optimizer=replace(preset.optimizer, steps=2))
    run = microgpt.Run(preset, documents.material("parens", 16).training, 43)
    reply = training.ask(REFERENCE, trial.request())
    assert training.losses_of(reply) == list(run.losses())
    lines = training.parameters_of(reply)
    expected = tuple(
        case.matrix_lines(
            {name: [[x.data for x in row] for row in m] for name, m in run.training.parameters.items()}
        )
    )
    assert lines == expected
    tokens = run.tokenizer.encode(documents.material("parens", 16).held_out[0])
    loss = microgpt.document_loss(run.training.config, run.training.parameters, tokens).data
    positions = documents.positions(tokens, 16)
    assert training.held_out_loss(REFERENCE, trial, lines, 1) == loss * positions / positions


def test_nearly_all_multiplications_forward_are_counted(monkeypatch: pytest.MonkeyPatch):
    trial = Trial(SMALL, "full", 42, 1)
    multiplied, times = microgpt.Value.__mul__, 0

    def counting(self: microgpt.Value, other: microgpt.Value | float) -> microgpt.Value:
        nonlocal times
        times += 1
        return multiplied(self, other)

    monkeypatch.setattr(microgpt.Value, "__mul__", counting)
    run = training.begun(SMALL, 42)
    tokens = run.tokenizer.encode(run.documents[0])
    microgpt.document_loss(run.training.config, run.training.parameters, tokens)
    [(pairs, products)] = training.work(trial)
    assert pairs == 16 * 17 // 2 or len(tokens) < 17
    assert 0.9 * times < products < times


# ---------------------------------------------------------------- the plan


def test_equal_work_is_spent_to_within_a_document():
    base = FULL.trial(PAIRS, Cell("mime", 64, 2), tables.BASE, 42)
    for regime, column in ((PAIRS, 0), (PRODUCTS, 1)):
        budget = sum(one[column] for one in training.work(base))
        for name in ("full", "square"):
            trial = FULL.trial(regime, Cell("mime", 64, 2), name, 42)
            spent = [one[column] for one in training.work(trial)]
            assert abs(sum(spent) - budget) <= max(0.05 * budget, max(spent)), (regime, name)


def test_full_attention_gets_fewer_steps_for_its_work_and_matched_tables_as_many():
    cell = Cell("mime", 128, 1)
    steps = {name: FULL.trial(PAIRS, cell, name, 42).steps for name in ("full", "square", "window")}
    assert steps["full"] < 0.1 * FULL.steps[128] < FULL.steps[128] == steps["window"] < steps["square"]


def test_a_finished_training_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trained: list[Trial] = []

    def train(engine: Engine, trial: Trial) -> Outcome:
        trained.append(trial)
        if len(trained) == 5:
            raise KeyboardInterrupt
        return Outcome(1.0 + len(trained), 1, 2, 0.5)

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(running, "confirm", lambda engine, plan: None)
    monkeypatch.setattr(running, "times", lambda plan: [])
    journal = tmp_path / "journal"
    with pytest.raises(KeyboardInterrupt):
        running.run(TINY, lambda *words: None, journal)
    with journal.open("a") as cut:
        cut.write('{"key": "abc", "lo')
    running.run(TINY, lambda *words: None, journal)
    assert len(trained) == len(TINY.trials()) + 1
    running.run(TINY, lambda *words: None, journal)
    assert len(trained) == len(TINY.trials()) + 1


def test_figures_so_far_are_of_finished_cells_and_name_the_others():
    one, other = TINY.cells()
    done = {
        trial.key: Outcome(1.0, 1, 2, 0.1) for trial in [*TINY.trials_of(one), *TINY.trials_of(other)[1:]]
    }
    plan = TINY.finished(done)
    assert plan.cells() == [one] and plan.missing == (other,)
    found = figures.summary(plan, done)
    assert {row["dataset"] for row in found["rows"]} == {"parens"}
    assert found["missing"] == [{"dataset": "mime", "block": 16, "layers": 1}]


class Wrong(Engine):
    """Off by one digit in the last line of what it trains."""

    def ask(self, request: Request, progress: object = None) -> Reply:
        reply = super().ask(request)
        last = reply.lines[-1]
        return replace(reply, lines=(*reply.lines[:-1], last[:-1] + ("0" if last[-1] != "0" else "1")))


def test_an_engine_that_is_not_the_reference_s_is_refused(monkeypatch: pytest.MonkeyPatch):
    first = list(TINY.confirmations())[:1]
    monkeypatch.setattr(Plan, "confirmations", lambda plan: first)
    running.confirm(REFERENCE, TINY)
    with pytest.raises(ConformError, match="does not train as the reference does"):
        running.confirm(Wrong("wrong"), TINY)


# ---------------------------------------------------------------- the figures


def test_nothing_is_claimed_where_seeds_disagree_or_zero_is_inside():
    assert Paired.of([0.1, 0.2, 0.1, 0.3, 0.2]).verdict == "higher"
    assert Paired.of([-0.1, -0.2, -0.1, -0.3, -0.2]).verdict == "lower"
    assert Paired.of([0.1, 0.2, -0.01, 0.3, 0.2]).verdict == "no claim"


def test_a_comparison_is_the_mean_of_paired_differences():
    def outcome(trial: Trial) -> Outcome:
        by_table = {"full": 1.0, tables.BASE: 1.25}.get(trial.table, 2.0)
        return Outcome(by_table + 0.5 * (trial.seed == 43), 1, 2, 0.1)

    found = figures.summary(TINY, {trial.key: outcome(trial) for trial in TINY.trials()})
    chosen = {
        one["other"]: one
        for one in found["comparisons"]
        if (one["base"], one["regime"], one["part"]) == (tables.BASE, STEPS, "all")
    }
    assert (chosen["full"]["mean"], chosen["full"]["verdict"], chosen["full"]["higher"]) == (
        0.25,
        "higher",
        2,
    )
    assert (chosen["window"]["mean"], chosen["window"]["verdict"]) == (-0.75, "lower")
    means = {one["table"]: one for one in found["means"]}
    assert means[tables.FLOOR]["saved_per_key"] is None and means["full"]["saved"] == 1.0
    assert means["full"]["saved_per_key"] == pytest.approx(1.0 / 7.5)


def test_the_kept_figures_are_those_of_the_plan_and_agree_with_each_other():
    kept = figures.load()
    plan = replace(FULL, missing=tuple(Cell(**one) for one in kept["missing"]))
    assert {one["block"]: one["steps"] for one in kept["steps"]} == {
        one: FULL.steps[one] for one in plan.blocks
    }
    assert tuple(kept["seeds"]) == FULL.seeds and tuple(kept["layers"]) == FULL.layers
    assert {one["regime"] for one in kept["comparisons"]} == {*REGIMES}
    equal = [row for row in kept["rows"] if row["regime"] == STEPS]
    assert len(equal) == len(plan.cells()) * len(tables.KINDS)
    losses = {(row["dataset"], row["block"], row["layers"], row["table"]): row["losses"] for row in equal}
    for one in kept["comparisons"]:
        if (one["base"], one["regime"], one["part"]) == (tables.BASE, STEPS, "all"):
            apart = [
                a - b
                for cell in plan.cells()
                for a, b in zip(
                    losses[(cell.dataset, cell.block, cell.layers, tables.BASE)],
                    losses[(cell.dataset, cell.block, cell.layers, one["other"])],
                    strict=True,
                )
            ]
            assert one["mean"] == pytest.approx(sum(apart) / len(apart), abs=1e-12)
    for one in kept["means"]:
        if one["table"] == tables.BASE:
            assert one["mean"] == tables.reach(tables.hexagonal_rows(one["block"])).mean


# ---------------------------------------------------------------- the command


@pytest.mark.slow
def test_the_command_trains_a_small_part_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path))
    done = CliRunner().invoke(cli.main, ["hexagons", "--quick"])
    assert done.exit_code == 0, done.output
    for kind in tables.KINDS:
        assert kind.name in done.output
    assert "equal attention work" in done.output and not list(tmp_path.iterdir())
    assert len(QUICK.seeds) > 1


def test_what_cannot_go_together_is_said():
    done = CliRunner().invoke(cli.main, ["hexagons", "--quick", "--check"])
    assert done.exit_code == 2 and "give one of the two" in done.output


def test_lasting_figures_are_without_times():
    kept = json.loads(figures.text_of({"rows": [{"seconds": 1.0, "loss": 2.0}], "times": [1], "engine": "c"}))
    assert figures.lasting(kept) == {"rows": [{"loss": 2.0}]}
