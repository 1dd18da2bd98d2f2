"""What the trials come to: cells with every seed's figure, and paired differences with their intervals.

Two kinds of interval. Over seeds: one set, differences paired by seed; it speaks of this set. Over sets: each
set is one difference, the mean of its seeds; it speaks of sets like these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from reference.app import garden
from science.seed_quality import sets
from science.seed_quality.plan import GPT, LEARNERS, RIVALS, Plan, Trial
from science.seed_quality.spoiling import CLEAN, COPIED, Spoiling
from science.seed_quality.statistics import Interval, interval, mean, paired
from science.seed_quality.trial import MEASURES, Json, Size

DECIMALS = 6
Rows = Mapping[Trial, Json]
Column = dict[str, list[float]]
"""For each measure one figure a seed."""


def of(plan: Plan, rows: Rows) -> Json:
    """Everything that the tables and the page show, from the row of every trial of the plan."""

    def column(name: str, spoiling: Spoiling, learner: str) -> Column:
        found = [rows[Trial(name, spoiling, seed, learner)] for seed in plan.seeds]
        return {measure: [row[measure] for row in found] for measure in MEASURES}

    columns = {
        (name, spoiling, learner): column(name, spoiling, learner)
        for name in plan.sets
        for spoiling in plan.spoilings
        for learner in LEARNERS
    }

    def effects(learner: str, spoiling: Spoiling) -> Iterator[tuple[str, Column]]:
        for name in plan.sets:
            yield name, minus(columns[name, spoiling, learner], columns[name, CLEAN, learner])

    def leads(rival: str, spoiling: Spoiling) -> Iterator[tuple[str, Column]]:
        for name in plan.sets:
            yield name, minus(columns[name, spoiling, GPT], columns[name, spoiling, rival])

    grain = 1.0 / plan.samples
    spoiled = [spoiling for spoiling in plan.spoilings if spoiling != CLEAN]
    return {
        "seeds": list(plan.seeds),
        "steps": plan.steps,
        "samples": plan.samples,
        "copied": COPIED,
        "most_lines": sets.MOST_LINES,
        "sets": [about(name, plan, rows) for name in plan.sets],
        "cells": [
            {"set": name, **asdict(spoiling), "learner": learner, **rounded(found)}
            for (name, spoiling, learner), found in columns.items()
        ],
        "effects": [
            {"set": name, **asdict(spoiling), **over_seeds(found, grain)}
            for spoiling in spoiled
            for name, found in effects(GPT, spoiling)
        ],
        "overall": [
            {
                "learner": learner,
                **asdict(spoiling),
                **over_sets(dict(effects(learner, spoiling)), grain),
            }
            for learner in LEARNERS
            for spoiling in spoiled
        ],
        "leads": [
            {"set": name, "rival": rival, **over_seeds(found, grain)}
            for rival in RIVALS
            for name, found in leads(rival, CLEAN)
        ],
        "leads_overall": [
            {"rival": rival, **asdict(spoiling), **over_sets(dict(leads(rival, spoiling)), grain)}
            for rival in RIVALS
            for spoiling in plan.spoilings
        ],
        "sizes": [grown(name, size, plan, rows) for name, sizes in plan.sizes.items() for size in sizes],
    }


def minus(some: Column, others: Column) -> Column:
    return {measure: paired(some[measure], others[measure]) for measure in MEASURES}


def over_seeds(differences: Column, grain: float) -> Json:
    """For each measure [mean, low, high]."""
    return {measure: shown(between(measure, values, grain)) for measure, values in differences.items()}


def over_sets(differences: Mapping[str, Column], grain: float) -> Json:
    """For each measure [mean, low, high], and in how many sets the mean is above and below zero."""
    result: Json = {}
    for measure in MEASURES:
        means = [mean(one[measure]) for one in differences.values()]
        above, below = sum(value > 0 for value in means), sum(value < 0 for value in means)
        result[measure] = [*shown(between(measure, means, grain)), above, below]
    return result


def between(measure: str, differences: Sequence[float], grain: float) -> Interval:
    return interval(differences, 0.0 if measure == "bits" else grain)


def shown(found: Interval) -> list[float]:
    return [round(value, DECIMALS) for value in (found.mean, found.low, found.high)]


def rounded(found: Column) -> Column:
    return {measure: [round(value, DECIMALS) for value in values] for measure, values in found.items()}


def about(name: str, plan: Plan, rows: Rows) -> Json:
    """A set, and ten samples of each learner from its clean lines with the first seed."""
    one, card, first = sets.load(name), garden.card(name), plan.seeds[0]
    clean = {learner: rows[Trial(name, CLEAN, first, learner)] for learner in LEARNERS}
    return {
        "name": name,
        "title": card.title,
        "check": card.check,
        "exact": card.exact,
        "lines": len(one.lines),
        "held_out": len(one.held_out),
        "characters": len(one.alphabet),
        "block": one.block,
        "foreign": one.foreign,
        "parameters": clean[GPT]["parameters"],
        "checksum": clean[GPT]["checksum"],
        "samples": {learner: row["samples at 0.5"] for learner, row in clean.items()},
    }


def grown(name: str, size: Size, plan: Plan, rows: Rows) -> Json:
    found = [rows[Trial(name, CLEAN, seed, GPT, size)] for seed in plan.seeds]
    return {
        "set": name,
        **asdict(size),
        "parameters": found[0]["parameters"],
        "checksum": found[0]["checksum"],
        **rounded({measure: [row[measure] for row in found] for measure in MEASURES}),
        "sample": found[0]["samples at 0.5"],
    }
