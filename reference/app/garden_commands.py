"""`microgpt garden`: list, show, train, check and fetch, each from its options to an exit status."""

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reference.app import engine as engines
from reference.app import fetching, garden, judging, modelfile, trainer
from reference.app.refusal import Refusal


def tell(sentence: str) -> None:
    print("microgpt:", sentence, file=sys.stderr)


def show_list(options: Any) -> int:
    cards = [garden.card(name) for name in garden.names()]
    if options.json:
        print(json.dumps([asdict(card) for card in cards], indent=1, ensure_ascii=False))
        return 0
    print(f"{'name':<10} {'lines':>6} {'characters':>10} {'check':<8} {'licence':<24} what")
    for card in cards:
        facts, check = card.facts, "exact" if card.exact else "pattern"
        counts = f"{facts['lines']:>6,} {facts['characters']:>10}"
        print(f"{card.name:<10} {counts} {check:<8} {card.licence:<24} {card.title}")
    return 0


def show(options: Any) -> int:
    card = garden.card(options.name)
    if options.json:
        print(json.dumps(asdict(card), indent=1, ensure_ascii=False))
        return 0
    rows = {key: value for key, value in asdict(card).items() if value and key != "facts"} | card.facts
    for key, value in rows.items():
        print(f"{key.replace('_', ' '):<18}  {value}")
    lines = garden.lines_of(card.name)
    for line in lines[:: max(1, len(lines) // 10)][:10]:
        print(f"{'':<18}  | {line}")
    return 0


def train(options: Any) -> int:
    name: str = options.name
    path: Path = options.save or Path(f"{name}.json")
    data = garden.training_part(name)
    exists = modelfile.check_target(path)
    if exists and not (options.resume or options.force):
        raise Refusal(f"{path} exists already: give --resume to go on with it, or --force to replace it")
    if options.resume and not exists:
        raise Refusal(f"{path} does not exist, so there is nothing to resume: leave out --resume to start")
    sizes = {size: getattr(options, size) for size in trainer.SIZES}
    chosen = {key: getattr(options, key) for key in ("preset", "steps", "seed")}
    if options.resume:
        run, model = trainer.resume(path, data, chosen | sizes)
    else:
        preset = options.preset or "classic"
        run, model = trainer.start(data, preset, options.steps, "exact", options.seed, sizes)
    with engines.chosen(options.engine, model.math) as engine:
        tell(f"{name}: {model.steps} steps on {data.documents:,} documents, computed by {engine.name}")
        signal = trainer.train(run, model, path, options.checkpoint_every, engine)
        if signal:
            again = ["microgpt", "garden", "train", name, "--save", str(path), "--resume"]
            done = f"interrupted after step {model.training.step} of {model.steps}, saved as {path}"
            tell(f"{done}; go on with: {shlex.join(again)}")
            return 128 + signal
        card = judging.model_card(model, judging.judge(name, model, engine, judging.SAMPLES), engine)
    beside = judging.write_card(path, card)
    verdict = card["samples"]
    tell(f"{verdict['validity']:.1%} of samples are right, {verdict['novelty']:.1%} right and new")
    tell(f"saved as {path}, its model card as {beside}")
    return 0


def check(options: Any) -> int:
    model = modelfile.load(options.model)
    with engines.chosen(options.engine, model.math) as engine:
        verdict = judging.judge(options.name, model, engine, options.samples)
    if options.json:
        print(json.dumps(asdict(verdict), indent=1, ensure_ascii=False))
        return 0
    bits = "none can be computed" if verdict.held_out_bits is None else f"{verdict.held_out_bits:.3f} bits"
    for key, value in (
        ("check", verdict.check),
        ("samples", f"{verdict.samples} at temperature {verdict.temperature}, seed {verdict.seed}"),
        ("right", f"{verdict.validity:.1%}"),
        ("right and new", f"{verdict.novelty:.1%}"),
        ("different", f"{verdict.distinctness:.1%}"),
        ("held-out lines met", str(verdict.found_held_out)),
        ("held-out loss", f"{bits} a character"),
    ):
        print(f"{key:<18}  {value}")
    return 0


def fetch(options: Any) -> int:
    if options.name is None:
        for name, pinned in fetching.PINNED.items():
            print(f"{name:<16} {pinned.title}; licence: {pinned.licence}\n{'':<16} {pinned.url}")
        return 0
    path = fetching.fetch(options.name, options.to)
    again = f"microgpt train --dataset {shlex.quote(str(path))} --save model.json"
    tell(f"{path} has the pinned bytes; train with: {again}")
    return 0


COMMANDS: dict[str, Callable[[Any], int]] = {
    "list": show_list,
    "show": show,
    "train": train,
    "check": check,
    "fetch": fetch,
}
