"""`conform check`: is a program right that speaks no protocol? From what it prints, or from a trace."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from harness.cli.shared import ERR, OUT
from harness.errors import ManifestError
from harness.explain.mutants import printed, traced
from harness.files import write_whole
from harness.judge.check import goldens, log, logs, names, setup, traces
from harness.judge.check.engine import fastest
from harness.judge.check.goldens import Candidates
from harness.judge.check.setup import Setup
from harness.judge.check.verdict import Verdict, worst
from harness.report import outputs as render
from reference import microgpt


def preset_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which run it is."""
    options = [
        click.option(
            "--preset", type=click.Choice(list(microgpt.PRESETS)), help="Usually the one that fits."
        ),
        click.option(
            "--dataset", type=click.Path(path_type=Path), help="A file of documents, one on a line."
        ),
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=setup.SEED, show_default=True),
        click.option("--steps", type=click.IntRange(1, 4096)),
        click.option("--samples", type=click.IntRange(0, 1000)),
        click.option("--layers", type=click.IntRange(1, 16)),
        click.option("--heads", type=click.IntRange(1, 64)),
        click.option("--embedding", type=click.IntRange(1, 512)),
        click.option("--block", type=click.IntRange(1, 1024)),
        click.option("--activation", type=click.Choice(list(microgpt.ACTIVATIONS))),
        click.option("--learning-rate", type=float),
        click.option("--beta1", type=float),
        click.option("--beta2", type=float),
        click.option("--epsilon", type=float),
        click.option("--schedule", type=click.Choice(["linear", "cosine"])),
        click.option("--sigma", type=float, help="Of the initial parameters."),
        click.option("--output-sigma", type=float, help="Of attn_wo and mlp_fc2."),
        click.option("--temperature", type=click.FloatRange(min=0, min_open=True)),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def setups(preset: str | None, dataset: Path | None, seed: int, changes: dict[str, Any]) -> list[Setup]:
    """The runs that an output may be: the one that the options name, or all that are stored."""
    presets = [preset] if preset else list(microgpt.PRESETS)
    if dataset is not None:
        data = goldens.read_dataset(dataset)
        return [Setup(name, setup.override(name, changes), data, seed) for name in presets]
    garden = goldens.of_garden()
    others = []
    if seed == setup.SEED and not any(value is not None for value in changes.values()):
        known = [Setup(one.preset, microgpt.PRESETS[one.preset], one.dataset) for one in goldens.stored()]
        others = [one for one in known if one.dataset.sha256 != garden.sha256 and one.name in presets]
    return [*others, *(Setup(name, setup.override(name, changes), garden, seed) for name in presets)]


@click.command()
@click.argument("outputs", nargs=-1)
@preset_options
@click.option(
    "--pattern", help="How losses are printed: a regular expression with the groups loss and, maybe, step."
)
@click.option("--transposed", is_flag=True, help="The matrices of a trace have their columns first.")
@click.option(
    "--names", "list_names", is_flag=True, help="Name everything that a trace may hold, with shapes."
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON and nothing else.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML to this file, too.")
@click.option("--record", type=click.Path(path_type=Path), help="Write the JSON to this file, too.")
@click.option(
    "--badge",
    "badges",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Write a badge to this file, too: .svg or .json.",
)
def check(
    outputs: tuple[str, ...],
    preset: str | None,
    dataset: Path | None,
    seed: int,
    pattern: str | None,
    transposed: bool,
    list_names: bool,
    as_json: bool,
    junit: Path | None,
    record: Path | None,
    badges: tuple[Path, ...],
    **changes: Any,
) -> None:
    """Say whether a program is right, from OUTPUTS: what it prints, or a trace. '-' is standard input.

    \b
    my-microgpt | conform check -              a log, as the original prints it, or nearly
    conform check run1.log run2.log            runs of one program with random numbers of its own
    conform check trace.jsonl                  named quantities: text, .jsonl, .npz, .safetensors
    conform check --names                      their names and shapes

    Exit status: 0 it agrees, 1 it does not, 2 it cannot be read, 3 this machine cannot do it.
    """
    runs = setups(preset, dataset, seed, changes)
    if list_names:
        _list(runs[0])
        return
    if not outputs:
        raise click.UsageError("name what the program printed, or - for standard input")
    with ExitStack() as stack:
        candidates = Candidates(runs, cache(lambda: stack.enter_context(fastest())))
        is_asked = preset is not None
        verdicts = [_one(name, candidates, is_asked, pattern, transposed, as_json) for name in outputs]
        if len(verdicts) > 1 and all(verdict.chances for verdict in verdicts):
            verdicts = logs.together(verdicts, [_read(name, pattern) for name in outputs], runs)
    if junit is not None:
        write_whole(junit, render.junit(verdicts))
    for badge in badges:
        write_whole(badge, render.badge(verdicts, badge.suffix))
    listed = [verdict.json() for verdict in verdicts]
    text = json.dumps(listed if len(listed) > 1 else listed[0], indent=1)
    if record is not None:
        write_whole(record, text + "\n")
    if as_json:
        click.echo(text)
    else:
        for verdict in verdicts:
            render.show(verdict, OUT)
    sys.exit(worst(verdicts))


def _data(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(log.LARGEST + 1)
    try:
        return Path(name).read_bytes()
    except FileNotFoundError:
        raise ManifestError(f"{name} does not exist") from None
    except OSError as problem:
        raise ManifestError(f"{name} cannot be read: {problem.strerror}") from None


@cache
def _kept(name: str) -> bytes:
    return _data(name)


def _read(name: str, pattern: str | None) -> log.Log:
    return log.read(_kept(name), _shown(name), pattern)


def _shown(name: str) -> str:
    return "standard input" if name == "-" else Path(name).name


def _one(
    name: str, candidates: Candidates, is_asked: bool, pattern: str | None, transposed: bool, quiet: bool
) -> Verdict:
    data, shown = _kept(name), _shown(name)
    with _progress(quiet) as progress:
        candidates = replace(candidates, progress=progress)
        if pattern is None and traces.is_trace(data, shown):
            return traces.judge(shown, data, candidates, traced.explain, transposed)
        found = log.read(data, shown, pattern)
        chosen = _that_fit(found, candidates.setups)
        asked = chosen[0] if is_asked and len(chosen) == 1 else None
        return logs.judge(shown, found, replace(candidates, setups=chosen), printed.explain, asked)


def _that_fit(found: log.Log, candidates: Sequence[Setup]) -> Sequence[Setup]:
    """Without a dataset by name, those whose number of documents the log states, if it states one that is
    known.
    """
    documents = found.headers.get("documents")
    fitting = [one for one in candidates if one.dataset.documents == documents]
    return fitting or candidates


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """On a terminal, a bar of the steps that are computed."""
    if quiet or not ERR.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("computing the run"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=ERR, transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _list(chosen: Setup) -> None:
    run = Setup(
        chosen.name, chosen.preset, goldens.of_garden() if not chosen.dataset.lines else chosen.dataset
    ).begin()
    config = run.training.config
    for name, shape, meaning in names.listing(config, chosen.steps, chosen.preset.samples):
        click.echo(f"{name:36} {shape:10} {meaning}")
