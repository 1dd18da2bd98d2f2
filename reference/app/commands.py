"""The command line `microgpt`: each command is one function from its options to an exit status.

What can be typed stands in `options.py`. The work is done elsewhere: `microgpt.py` (the algorithm),
`dataset.py`, `trainer.py`, `modelfile.py` (models on disk), `sampler.py` and `protocol/` (the protocol).
They are imported where they are needed, so that `conform` starts quickly.
"""

import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference import microgpt
from reference.app.options import make_parser
from reference.app.refusal import Refusal

if TYPE_CHECKING:
    from reference.app.modelfile import Model
    from reference.app.serving.desk import Desk

REFUSED = 2
INTERRUPTED = 130  # what shells say of a program that Ctrl-C has ended
EXTRAS = {"mcp": ("msgspec", "anyio", "mcp"), "serve": ("msgspec", "anyio", "jinja2", "starlette", "uvicorn")}
NOBODY_READS = 141  # and of one that wrote to a closed pipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in `arguments` (default: those of the process) and return the exit status."""
    try:
        use_utf8()
        parser = make_parser()
        options = parser.parse_args(arguments)
        if options.command is None:
            parser.print_help(sys.stderr)
            return REFUSED
        status = COMMANDS[options.command](options)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except Refusal as problem:
        tell(str(problem).replace("\n", " "))
        return problem.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        abandon_output()
        return NOBODY_READS
    except OSError as problem:
        abandon_output()
        tell(f"standard input or output has failed: {problem.strerror}")
        return REFUSED


def tell(sentence: str) -> None:
    print("microgpt:", sentence, file=sys.stderr)


def use_utf8() -> None:
    """Write UTF-8 with LF whatever the locale says. File names that are no text are shown with escapes."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def abandon_output() -> None:
    """Let what is still to be written vanish, since Python would try again at its exit and complain."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


# ---------------------------------------------------------------- the commands


def conform(options: Any) -> int:
    from reference.protocol.replies import answer_all

    if sys.stdin is None or sys.stdout is None:
        raise Refusal("standard input or output is closed: conform needs both")
    answer_all(sys.stdin.buffer, sys.stdout.buffer)
    return 0


def run(options: Any) -> int:
    from reference.app import dataset, trainer

    path = options.dataset
    if path is None and sys.stdin is not None and sys.stdin.isatty():
        tell("no dataset was given, so these are the names that come with this program")
        path = dataset.GARDEN
    data = dataset.read_standard_input() if path is None else dataset.read_file(path)
    microgpt.use_math(options.math)
    for line in microgpt.Run(trainer.preset_of(options.preset, options.steps), data.lines).text():
        print(line, flush=True)
    return 0


def train(options: Any) -> int:
    from reference.app import dataset, modelfile, trainer

    path: Path = options.save
    exists = modelfile.check_target(path)
    if exists and not (options.resume or options.force):
        raise Refusal(f"{path} exists already: give --resume to go on with it, or --force to replace it")
    if options.resume and not exists:
        raise Refusal(f"{path} does not exist, so there is nothing to resume: leave out --resume to start")
    data = dataset.read_file(options.dataset or dataset.GARDEN)
    chosen = {key: getattr(options, key) for key in ("preset", "steps", "math", "seed")}
    if options.resume:
        whole, model = trainer.resume(path, data, chosen)
        if model.finished:
            tell(f"{path} is finished, all its {model.steps} steps are done: there is nothing to do")
            return 0
    else:
        whole, model = trainer.start(data, **chosen)
    signal = trainer.train(whole, model, path, options.checkpoint_every)
    losses = model.last_losses
    of = f"mean of the last {len(losses)} losses" if len(losses) > 1 else "loss"
    report = f"{of} {sum(losses) / len(losses):.4f}, saved as {path}"
    if signal:
        again = ["microgpt", "train", "--resume", "--save", str(path)]
        again += ["--dataset", str(options.dataset)] if options.dataset else []
        step = f"interrupted after step {model.training.step} of {model.steps}"
        tell(f"{step}, {report}; go on with: {shlex.join(again)}")
        return 128 + signal
    tell(f"trained {model.steps} step{'' if model.steps == 1 else 's'}, {report}")
    return 0


def generate(options: Any) -> int:
    from reference.app import modelfile, sampler

    path: Path = options.model
    model = modelfile.load(path)
    if not model.finished:
        tell(f"note: {path} has only {model.training.step} of its {model.steps} steps")
    how = sampler.How(options.temperature, options.seed, options.start, options.top_k)
    if options.watch:
        from reference.app.watching import bars

        characters = model.tokenizer.characters
        samples = sampler.samples(
            model, options.count, how, lambda p, token: print("\n".join([*bars(p, token, characters), ""]))
        )
    else:
        samples = sampler.samples(model, options.count, how)
    if not options.json:
        for sample in samples:
            print(sample.text, flush=True)
        return 0

    import json

    described = {
        "file": str(path),
        "trained_on": asdict(model.trained_on),
        "preset": model.preset,
        "math": model.math,
        "steps_done": model.training.step,
        "steps": model.steps,
    }
    request = {"temperature": options.temperature, "seed": options.seed, "start": options.start}
    request |= {"top_k": options.top_k} if options.top_k else {}
    print(json.dumps({"model": described, **request, "samples": [asdict(s) for s in samples]}, indent=1))
    return 0


def info(options: Any) -> int:
    from reference.app import modelfile, watching

    model = None if options.model is None else modelfile.load(options.model)
    rows = about_program() if model is None else about_model(options.model, model)
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, (23, 12, 0), strict=False)).rstrip())
    if model is not None:
        print("", *watching.heat_maps(model), sep="\n")
    return 0


def export(options: Any) -> int:
    from reference.app import export, modelfile

    export.write(modelfile.load(options.model), options.to)
    tell(f"{options.model} written as {options.to}")
    return 0


def graph(options: Any) -> int:
    from reference.app.graph import graph as show

    return show(options)


def garden(options: Any) -> int:
    from reference.app.garden_commands import COMMANDS as commands

    return commands[options.garden_command](options)


def mcp(options: Any) -> int:
    desk = desk_of(options, "mcp")
    from reference.app.serving import agent

    agent.serve(desk)
    return 0


def serve(options: Any) -> int:
    desk = desk_of(options, "serve")
    from reference.app.serving import web

    host = f"[{options.host}]" if ":" in options.host else options.host
    listening = web.listen(options.host, options.port)
    tell(f"serving the models in {options.models} at http://{host}:{options.port}/ until Ctrl-C")
    if not web.is_loopback(options.host):
        tell("other machines may reach this address, and whoever does can train models here")
    web.serve(desk, options.host, listening)
    return 0


def desk_of(options: Any, extra: str) -> "Desk":
    """What computes for a server. Raises Refusal if there is no such folder or a package is missing."""
    from importlib.util import find_spec

    for package in EXTRAS[extra]:
        if find_spec(package) is None:
            raise Refusal(
                f"'microgpt {extra}' needs the package {package}: pip install 'microgpt-conformance[{extra}]'"
            )
    from reference.app.serving.desk import Desk, Limits

    if not options.models.is_dir():
        raise Refusal(
            f"--models {options.models} is not a directory: make it, or name the one with your models"
        )
    limits = Limits(
        answers=options.answers, seconds=options.seconds, training_seconds=options.training_seconds
    )
    return Desk(options.models.resolve(), limits)


def about_program() -> list[tuple[str, ...]]:
    from reference.app import dataset

    presets = [
        replace(preset, config=replace(preset.config, vocabulary=27)) for preset in microgpt.PRESETS.values()
    ]

    def both(name: str, fact: Callable[[microgpt.Preset], object]) -> tuple[str, ...]:
        return (name, *(str(fact(preset)) for preset in presets))

    return [
        ("preset", *microgpt.PRESETS),
        both("layers", lambda preset: preset.config.layers),
        both("heads", lambda preset: preset.config.heads),
        both("embedding", lambda preset: preset.config.embedding),
        both("block", lambda preset: preset.config.block),
        both("activation", lambda preset: preset.config.activation),
        both("parameters, 26 letters", lambda preset: f"{count_parameters(preset.config):,}"),
        both("learning rate", lambda preset: preset.optimizer.learning_rate),
        both("schedule", lambda preset: preset.optimizer.schedule),
        both("steps", lambda preset: preset.optimizer.steps),
        (),
        ("math", "exact: correctly rounded, the same bits on every machine (default)"),
        ("", "native: the library of this machine"),
        ("python", f"{platform.python_implementation()} {platform.python_version()} (needed: 3.11 or later)"),
        ("names that come with it", str(dataset.GARDEN)),
    ]


def count_parameters(config: microgpt.Config) -> int:
    return sum(rows * columns for _, rows, columns in config.matrices())


def about_model(path: Path, model: "Model") -> list[tuple[str, ...]]:
    config, trained_on, losses = model.training.config, model.trained_on, model.last_losses
    state = "finished" if model.finished else "can go on with 'microgpt train --resume'"
    mean = f"{sum(losses) / len(losses):.4f}, the mean of {len(losses)}" if losses else "none yet"
    return [
        ("model", str(path)),
        ("trained on", trained_on.file),
        ("", f"{trained_on.documents:,} documents of {trained_on.characters:,} characters"),
        ("", f"SHA-256 {trained_on.sha256}"),
        ("characters", "".join(model.tokenizer.characters)),
        ("preset", model.preset),
        ("layers", str(config.layers)),
        ("heads", str(config.heads)),
        ("embedding", str(config.embedding)),
        ("block", str(config.block)),
        ("activation", config.activation),
        ("parameters", f"{count_parameters(config):,}"),
        ("math", model.math),
        ("seed", str(model.seed)),
        ("steps", f"{model.training.step} of {model.steps}, {state}"),
        ("last losses", mean),
    ]


COMMANDS: dict[str, Callable[[Any], int]] = {
    "run": run,
    "train": train,
    "generate": generate,
    "info": info,
    "graph": graph,
    "garden": garden,
    "export": export,
    "mcp": mcp,
    "serve": serve,
    "conform": conform,
}
