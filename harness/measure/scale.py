"""Measures larger models: how the cost of a step grows with embedding, block and layers, port beside port.

A port times itself, since the checksums of the protocol take longer than a step: `microgpt time EMBEDDING
BLOCK LAYERS` prints the least seconds of one. At every size a step's checksums are those of a port's graph.
"""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.cases.case import CLASSIC_SHAPE, config_lines, line, matrix_lines, optimizer_lines, shape
from conformance.cases.large import CLASSIC, noise
from conformance.messages import Request
from harness.build import manifest, runners
from harness.errors import ConformError, MachineFault
from harness.measure.first import all_alone, alone
from harness.run.limits import Limits
from harness.run.reaper import scratch
from harness.run.session import Session
from reference.microgpt import Config

EMBEDDINGS, BLOCKS, LAYERS = (16, 32, 64, 128, 256), (16, 32, 64, 128, 256), (1, 2, 3, 4)
SMALLEST = CLASSIC_SHAPE
CONFIRMING = "c"
"""The port by whose graph every size is confirmed."""
LONGEST = 600.0  # seconds that one port may take to time one size


@dataclass(frozen=True)
class Point:
    """A size, and one port's time for a step there. `operations`: see `operations()`."""

    embedding: int
    block: int
    layers: int
    parameters: int
    operations: int
    seconds: float


@dataclass(frozen=True)
class Scale:
    """`peak`: operations a second that one core can do without fused ones."""

    peak: float
    ports: dict[str, list[Point]]


def sizes() -> list[Config]:
    """One dimension grows at a time, from the smallest model on."""
    heads, vocabulary = SMALLEST.heads, SMALLEST.vocabulary
    wanted = [(e, SMALLEST.block, 1) for e in EMBEDDINGS]
    wanted += [(SMALLEST.embedding, block, 1) for block in BLOCKS[1:]]
    wanted += [(SMALLEST.embedding, SMALLEST.block, layers) for layers in LAYERS[1:]]
    return [shape(layers, heads, e, block, vocabulary) for e, block, layers in wanted]


def parameters(config: Config) -> int:
    return sum(rows * columns for _, rows, columns in config.matrices())


def operations(config: Config) -> int:
    """+ - * / and roots in one step on a document as long as the block.

    Forward: two for each weight at each position, 4 e for each position attended to, and those of norms and
    residual sums. Backward takes twice as many, Adam 14 for a parameter. exp, log and powers are not counted.
    """
    e, positions = config.embedding, config.block
    of_a_layer = 24 * e * e + 8 * e
    forward = positions * (4 * e + config.layers * of_a_layer + 2 * config.vocabulary * e)
    attended = positions * (positions + 1) // 2
    forward += 4 * e * attended * config.layers
    return 3 * forward + 14 * parameters(config)


def peak() -> float:
    """Operations a second without fused ones, by peak.c. Raises MachineFault."""
    source = Path(__file__).with_name("peak.c")
    with scratch() as folder:
        program = str(folder / "peak")
        flags = ("-O3", "-ffp-contract=off", "-Wno-psabi")
        for command in (["gcc", *flags, "-o", program, str(source)], [program]):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=alone)
            except (OSError, subprocess.CalledProcessError) as error:
                raise MachineFault(
                    f"the processor's peak cannot be measured: {error}", hint="apt-get install gcc libc6-dev"
                ) from None
    return float(done.stdout)


def measure(ports: Sequence[str], runner: str, say: Callable[[str], None]) -> Scale:
    """Every size for every port. Raises ConformError if a port fails or two ports differ in a bit."""
    found: dict[str, list[Point]] = {name: [] for name in ports}
    running: dict[str, runners.Runner] = {}
    for name in dict.fromkeys((*ports, CONFIRMING)):
        say(f"building {name}")
        running[name] = runners.runner(runner, Limits(request=3600.0, run=math.inf))
        running[name].prepare(manifest.load(name))
    for config in sizes():
        say(f"embedding {config.embedding}, block {config.block}, layers {config.layers}")
        _confirm(running, config)
        size = (config.embedding, config.block, config.layers)
        for name in ports:
            seconds = _seconds(name, running[name], size)
            found[name].append(Point(*size, parameters(config), operations(config), seconds))
    return Scale(peak(), found)


def _seconds(name: str, runner: runners.Runner, size: tuple[int, int, int]) -> float:
    """What `microgpt time EMBEDDING BLOCK LAYERS` prints. Raises ScaleError."""
    process = runner.launch(("time", *map(str, size)))
    deadline = time.monotonic() + LONGEST
    output = b""
    try:
        all_alone(process.root_pid())
        process.close_input()
        while chunk := process.read(deadline):
            output += chunk
        return float(output)
    except (TimeoutError, ValueError):
        raise ScaleError(f"{name} does not time itself: 'microgpt time {' '.join(map(str, size))}'") from None
    finally:
        process.kill()


def _confirm(running: dict[str, runners.Runner], config: Config) -> None:
    """Whether all ports answer one step of training likewise."""
    letters = config.vocabulary - 1
    document = (letters, *(7 * i % letters for i in range(config.block)), letters)
    lines = (*config_lines(config), *optimizer_lines(CLASSIC), "from 0", "count 1", "full")
    matrices = matrix_lines(noise(config, "scale", 0.1))
    request = Request("train", "scale", (*lines, line("tokens", *document), *matrices))
    replies = {}
    for name, runner in running.items():
        with Session(runner.launch, Limits(request=600.0)) as session:
            replies[name] = session.ask(request)
    right = replies[CONFIRMING]
    for name, reply in replies.items():
        if not reply.ok or reply.lines != right.lines:
            raise ScaleError(
                f"{name} and {CONFIRMING} do not agree with embedding {config.embedding}, block "
                f"{config.block} and layers {config.layers}: expected {right.lines[1:3]}, "
                f"got {reply.lines[1:3] if reply.ok else reply.reason}"
            )


class ScaleError(ConformError):
    """A port that is wrong, or silent, where its speed was to be measured."""

    outcome = "usage"
    code = "scale"
