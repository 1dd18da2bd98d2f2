"""More than twenty outputs as programs write them, right and wrong, and the table of what is said of each.

    PYTHONPATH=.:tests/support python tests/support/outputs.py     writes docs/OUTPUTS.md

The wrong ones come from the JavaScript port with mistakes planted into its source (planted.py), the float32
run from the engine in C; the right ones are the reference's own numbers in the forms that are in circulation.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import planted

from harness import paths
from harness.cli.check import setups
from harness.errors import ManifestError
from harness.explain.mutants import printed, traced
from harness.judge.check import goldens, log, logs, traces
from harness.judge.check.engine import fastest
from harness.judge.check.setup import Setup
from harness.judge.check.verdict import Verdict
from harness.measure.chances import engine
from reference import microgpt
from reference.app.dataset import GARDEN
from reference.protocol.wire import hexadecimal

PAGE = paths.root() / "docs" / "OUTPUTS.md"
HEADING = "--- inference (new, hallucinated names) ---"
HEAD = """# Outputs, and what `conform check` says of them

Each output is made by a test, which fails if an answer is another one than here
(`tests/support/outputs.py` writes this page). The right ones are the same run in the forms that are in
circulation. The wrong ones are printed by the JavaScript port, which shares no line with the reference, with
one mistake of public ports planted into its source.

| output | verdict | what is said first | mistake that is named |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Output:
    """`name` ends as its file would; `what` describes it; `planted`: the mistake in it, if there is one."""

    name: str
    what: str
    data: bytes
    planted: str = ""


@cache
def run(preset: str = "classic") -> goldens.Golden:
    kept = goldens.find(preset, goldens.of_garden().sha256)
    assert kept is not None
    return kept.golden


def lines(rows: Iterable[str], end: str = "\n") -> bytes:
    return "".join(row + end for row in rows).encode()


def steps(row: Callable[[int, float], str], preset: str = "classic") -> list[str]:
    """One line for each loss: `row` is given the step, from 1, and the loss."""
    return [row(step, loss) for step, loss in enumerate(run(preset).losses, start=1)]


def original(step: int, loss: float) -> str:
    return f"step {step:4d} / 1000 | loss {loss:.4f}"


def samples(row: str = "sample {:2d}: {}", first: int = 1, preset: str = "classic") -> list[str]:
    texts = run(preset).samples or ()
    return ["", HEADING, *(row.format(number, text) for number, text in enumerate(texts, start=first))]


def right() -> list[Output]:
    """The reference's run, in many forms."""
    header = ["num docs: 7347", "vocab size: 27", "num params: 4192"]
    whole = [*header, *steps(original), *samples()]
    bar = [f"{i / 10:3.0f}%|##| {i}/1000 [00:01<00:09, loss={x:.4f}]" for i, x in enumerate(run().losses, 1)]
    seed = steps(lambda i, x: f"step {i:4d} / 500 | loss {x:.4f}", "seed")
    coloured = steps(lambda i, x: f"\x1b[32mStep\x1b[0m {i - 1}: \x1b[1mloss = {x:.4f}\x1b[0m, 12 ms")
    tenth = [row for i, row in enumerate(steps(lambda i, x: f"Step {i} Loss: {x:.6g}"), 1) if i % 10 == 0]
    commas = [row.replace(".", ",") for row in steps(lambda i, x: f"Iteration {i}: loss {x:.5f}")]
    means = steps(lambda i, x: f"[LOG] step {i}/1000 | avg loss 2.7 | loss {x:.4f} | {900 + i} ms")
    cut = lines([*header, *steps(original)])[:-3]
    return [
        Output("original.log", "as the original prints it", lines(whole)),
        Output("rewritten.log", "a carriage return after each step, no line feed", lines(whole, "\r")),
        Output("bar.log", "a progress bar", lines(bar, "\r")),
        Output("coloured.log", "colors, other words, steps from 0", lines(coloured)),
        Output("tenth.log", "every tenth step, 6 significant digits", lines(tenth)),
        Output("commas.log", "decimal commas", lines(commas)),
        Output("means.log", "a mean beside each loss", lines(means)),
        Output("cut.log", "its last line is cut", cut),
        Output("digits.log", "17 digits", lines(steps(lambda i, x: f"step {i} loss {x!r}"))),
        Output(
            "table.csv",
            "two columns",
            lines(["step,loss", *steps(lambda i, x: f"{i},{x:.4f}")]),
        ),
        Output(
            "seed.log",
            "the preset seed; samples from 0 in brackets",
            lines([*seed, *samples("  [{}] {}", 0, "seed")]),
        ),
    ]


@cache
def quantities() -> dict[str, list[float]]:
    """Initial parameters, losses of 20 steps, everything of steps 0 and 9."""
    setup = Setup("classic", microgpt.PRESETS["classic"], goldens.of_garden())
    begun = setup.begin()
    init = traces.numbers(begun.training.parameters)
    found = {f"init.{name}": goldens.flat({name: rows}) for name, rows in init.items()}
    with fastest() as port:
        computed = goldens.train(port, begun, 20, [0, 9])
    for number, step in enumerate(computed):
        found[f"step{number}.loss"] = [step.loss]
        for reply, tensors in step.tensors.items():
            kind = {"gradients": "grad"}.get(reply, reply)
            for name, rows in tensors.items():
                found[f"step{number}.{kind}.{name}"] = goldens.flat({name: rows})
    return found


def traced_ones() -> list[Output]:
    import numpy
    from safetensors.numpy import save

    found = quantities()
    texts = [f"sample{i} {text}" for i, text in enumerate(run().samples or (), start=1)]
    text = lines([*(f"{name} {' '.join(map(hexadecimal, xs))}" for name, xs in found.items()), *texts])
    by_line = lines(json.dumps({"name": name, "values": xs}) for name, xs in found.items())
    buffer = io.BytesIO()
    numpy.savez_compressed(buffer, **{name: numpy.array(xs) for name, xs in found.items()})  # type: ignore[arg-type]
    single = {name: numpy.array(xs, dtype=numpy.float32) for name, xs in found.items()}
    wrong = {**found, "step0.grad.layer0.mlp_fc1": [3.0 * x for x in found["step0.grad.layer0.mlp_fc1"]]}
    return [
        Output("trace.txt", "a trace, 16 hex digits a value, with samples", text),
        Output("trace.jsonl", "a trace as JSON Lines", by_line),
        Output("trace.npz", "a trace as compressed .npz", buffer.getvalue()),
        Output("trace.safetensors", "a trace in float32 as .safetensors", bytes(save(single))),
        Output(
            "wrong.txt",
            "a trace in C's %a whose first gradients of mlp_fc1 are three times too large",
            lines(f"{name} {' '.join(map(float.hex, xs))}" for name, xs in wrong.items()),
        ),
    ]


def float32() -> Output:
    """The run in float32, from the reference's parameters, by the engine in C."""
    setup = Setup("classic", microgpt.PRESETS["classic"], goldens.of_garden())
    begun = setup.begin()
    start = [value.data for value in microgpt.flatten(begun.training.parameters)]
    documents = engine.encoded(begun.documents[: setup.steps], begun.tokenizer.characters)
    with engine.Model("classic", engine.settings(setup.preset), 27, start, "float") as model:
        losses = [model.train_step(document) for document in documents]
    printed_lines = [original(step, loss) for step, loss in enumerate(losses, start=1)]
    return Output("float32.log", "computed in float32", lines(printed_lines))


def wrong(folder: Path) -> list[Output]:
    """What the JavaScript port prints with each of the mistakes, and with random numbers of its own."""
    names = GARDEN.read_bytes()
    found = []
    for mistake, changes in planted.MISTAKES.items():
        main = planted.build(folder / mistake, *changes)
        found.append(Output(f"{mistake}.log", what(mistake), planted.printed(main, names).encode(), mistake))
    own = planted.build(folder / "own", planted.OWN_NUMBERS)
    found.append(Output("own.log", "right, random numbers of its own", planted.printed(own, names).encode()))
    bad = planted.build(folder / "own-wrong", planted.OWN_NUMBERS, *planted.MISTAKES["summed-loss"])
    text = planted.printed(bad, names).encode()
    found.append(
        Output("own-summed.log", "random numbers of its own; the loss is a sum", text, "summed-loss")
    )
    shifted = lines(original(step - 1, x) for step, x in enumerate(run().losses, start=1) if step > 1)
    found.append(Output("after.log", "each step's number is printed one too low", shifted))
    return found


def what(mistake: str) -> str:
    """The mistake in the catalogue's words."""
    return str(printed.replays.stored("classic", 7347)[mistake]["what"])


def every(folder: Path) -> list[Output]:
    return [*right(), float32(), *traced_ones(), *wrong(folder)]


def judged(output: Output) -> Verdict:
    """What `conform check` says of one output, without options."""
    runs = setups(None, None, 42, {})
    with ExitStack() as stack:
        candidates = goldens.Candidates(runs, cache(lambda: stack.enter_context(fastest())))
        if traces.is_trace(output.data, output.name):
            return traces.judge(output.name, output.data, candidates, traced.explain)
        found = log.read(output.data, output.name)
        fitting = [one for one in runs if one.dataset.documents == found.headers.get("documents")]
        candidates = replace(candidates, setups=fitting or runs)
        return logs.judge(output.name, found, candidates, printed.explain)


def page(rows: Iterable[tuple[Output, Verdict]]) -> str:
    """The table, in Markdown."""
    said = []
    for output, verdict in rows:
        named = [name for cause in verdict.causes for name in (cause.names or (cause.sentence,))][:3]
        first = verdict.sentence.replace("|", "\\|")
        said.append(f"| {output.what} | {verdict.agreement} | {first} | {', '.join(named)} |\n")
    return HEAD + "".join(said)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = every(Path(folder))
    try:
        text = page((output, judged(output)) for output in made)
    except ManifestError as problem:
        sys.exit(str(problem))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
