"""Training as people live it: it saves as it goes, shows how far it is, and can be stopped and resumed.

What a step computes stands in `microgpt.py`, what is saved in `modelfile.py`.
"""

import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from math import isfinite
from pathlib import Path
from types import FrameType, MappingProxyType, TracebackType
from typing import Any

from reference import microgpt
from reference.app import modelfile, watching
from reference.app.dataset import Dataset
from reference.app.engine import Engine
from reference.app.modelfile import Model, TrainedOn
from reference.app.refusal import Refusal

NO_SIZES: Mapping[str, int | None] = MappingProxyType({})
SIZES = ("layers", "heads", "embedding", "block")


def preset_of(name: str, steps: int | None, sizes: Mapping[str, int | None] = NO_SIZES) -> microgpt.Preset:
    """The preset of that name, with another number of steps or other sizes where they are given.

    Raises Refusal if the heads do not divide the embedding.
    """
    preset = microgpt.PRESETS[name]
    if steps is not None:
        preset = replace(preset, optimizer=replace(preset.optimizer, steps=steps))
    given: dict[str, Any] = {size: number for size, number in sizes.items() if number is not None}
    config = replace(preset.config, **given)
    if config.embedding % config.heads:
        raise Refusal(
            f"--embedding {config.embedding} should be a multiple of the {config.heads} heads: change either"
        )
    if config.block != preset.config.block:
        config = replace(config, attention=microgpt.causal(config.block))
    return replace(preset, config=config)


def start(
    data: Dataset,
    preset: str | None,
    steps: int | None,
    math: str | None,
    seed: int | None,
    sizes: Mapping[str, int | None] = NO_SIZES,
) -> tuple[microgpt.Run, Model]:
    """A new run, and the model that it is going to be."""
    preset, math, seed = preset or "seed", math or "exact", 42 if seed is None else seed
    microgpt.use_math(math)
    run = microgpt.Run(preset_of(preset, steps, sizes), data.lines, seed)
    trained_on = TrainedOn.of(data)
    return run, Model(trained_on, preset, seed, math, run.tokenizer, run.training, run.generator, [])


def resume(path: Path, data: Dataset, options: dict[str, str | int | None]) -> tuple[microgpt.Run, Model]:
    """A run that goes on from the saved model, and that model.

    `options` are those of the command line, None where not given. Raises Refusal if the file is no sound
    model, or the dataset or an option is not the one that it was started with.
    """
    model = modelfile.load(path)
    config = model.training.config
    for option, given in options.items():
        saved = getattr(config if option in SIZES else model, option)
        if given not in (None, saved):
            raise Refusal(
                f"{path} was started with --{option} {saved} and cannot go on with {given}: "
                f"leave out --{option}, or start again with another --save"
            )
    if data.sha256 != model.trained_on.sha256:
        raise Refusal(
            f"{path} was trained on {model.trained_on.file}, and {data.name} is not the same text: "
            "give the one that it was trained on, or start again with another --save"
        )
    microgpt.use_math(model.math)
    sizes = {size: getattr(config, size) for size in SIZES}
    run = microgpt.Run(preset_of(model.preset, model.steps, sizes), data.lines, model.seed)
    ours, theirs = run.training, model.training
    if (ours.config, ours.optimizer, run.tokenizer) != (theirs.config, theirs.optimizer, model.tokenizer):
        raise Refusal(f"{path} is not what this microgpt calls the preset {model.preset}: it cannot go on")
    run.training, run.generator = model.training, model.generator
    return run, model


class Interruption:
    """While this is entered, the first Ctrl-C (or SIGTERM) is only noted, the next one interrupts at once.

    `signal` is the number of the noted one, 0 if there is none. A signal that was ignored stays ignored.
    """

    def __init__(self) -> None:
        self.signal = 0

    def __enter__(self) -> "Interruption":
        numbers = (signal.SIGINT, signal.SIGTERM)
        self.handlers = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) != signal.SIG_IGN}
        for number in self.handlers:
            signal.signal(number, self.note)
        return self

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, handler)


Display = Callable[[Model, Engine], AbstractContextManager[watching.Show]]


def train(
    run: microgpt.Run,
    model: Model,
    path: Path,
    checkpoint_every: int,
    engine: Engine | None = None,
    display: Display = watching.display,
) -> int:
    """Train to the end or until a signal comes, and save. The result is the number of that signal, or 0.

    `model` describes `run`: both have the same training and the same generator. It is saved each time that
    `checkpoint_every` more steps are done, or only when training stops if that is 0. `engine` computes, and
    with the same bits whichever it is; `display` is told each loss. Raises Refusal if the loss is no number,
    or the model cannot be saved.
    """
    engine = engine or Engine()
    saved = model.training.step
    with Interruption() as interruption, display(model, engine) as show:
        while not model.finished:
            first = model.training.step
            for step, loss in enumerate(engine.advance(run), start=first + 1):
                if not isfinite(loss):
                    raise Refusal(
                        f"the loss of step {step} is {loss}: it has diverged, and {path} is as before"
                    )
                model.add_loss(loss)
                show(loss)
            if interruption.signal:
                break
            step = model.training.step
            if (
                checkpoint_every
                and step // checkpoint_every > saved // checkpoint_every
                and not model.finished
            ):
                modelfile.save(model, path)
                saved = step
        modelfile.save(model, path)
    return 0 if model.finished else interruption.signal
