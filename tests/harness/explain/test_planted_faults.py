"""One line of each port is changed, and the ladder must first fail at the right level and quantity.

Every fault is of another kind, and one that people make. The ports are built in containers, as for users, and
climb from the first level to the one that is to fail. What stands beside the ladder has tests of its own.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance import verbs
from harness.build import manifest, runners
from harness.fleet.choice import Choice
from harness.judge.climb import climb
from harness.run.limits import Limits
from harness.run.session import Session

PORTS = Path(__file__).parents[3] / "ports"


@dataclass(frozen=True)
class Fault:
    """`old` stands once in the port's sources and becomes `new`.

    The first divergence is in `level`, at `checkpoint`, a pattern.
    """

    port: str
    what: str
    old: str
    new: str
    level: str
    checkpoint: str


FAULTS = (
    Fault(
        "c",
        "epsilon inside the root",
        "sqrt(v_hat == -INFINITY ? INFINITY : v_hat) + 0.0;",
        "sqrt((v_hat == -INFINITY ? INFINITY : v_hat) + o->epsilon);",
        "adam",
        r"parameters\[",
    ),
    Fault("javascript", "left bisection", "(u < cumulative[", "(u <= cumulative[", "random", r"choices"),
    Fault("rust", "another epsilon in the norm", "1e-5", "1e-6", "forward", r"pos0\.normed\[0\]"),
    Fault(
        "go",
        "fused multiply-add",
        "return float64(x*y) + z",
        "return math.FMA(x, y, z)",
        "arith",
        r"muladd",
    ),
    Fault("zig", "the schedule one step ahead", "(1 - s / n)", "(1 - (s + 1) / n)", "adam", r"rate"),
    Fault(
        "haskell",
        "all of Unicode's white space stripped",
        "filter (not . Text.null) . map (Text.dropAround",
        "filter (not . Text.null) . map (Text.strip . Text.dropAround",
        "tokens",
        r"vocabulary|encoded",
    ),
    Fault(
        "lua",
        "gradients assigned, not added",
        "gradient[b] = gradient[b] + value[a] * g",
        "gradient[b] = value[a] * g",
        "graph",
        r"gradient",
    ),
)


def plant(fault: Fault, folder: Path) -> None:
    """Change the one line; the file that holds it is found, so that a port may move it."""
    holding = [path for path in folder.rglob("*") if path.is_file() and fault.old in path.read_text()]
    assert len(holding) == 1, f"{fault.old!r} stands in {len(holding)} files; choose the line again"
    text = holding[0].read_text()
    assert text.count(fault.old) == 1, "the line that was to be changed has changed itself"
    holding[0].write_text(text.replace(fault.old, fault.new))


@pytest.mark.docker
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.port}: {fault.what}")
def test_the_first_divergence_names_the_fault(fault: Fault, tmp_path: Path):
    folder = tmp_path / fault.port
    shutil.copytree(PORTS / fault.port, folder)
    plant(fault, folder)
    port = manifest.load_folder(folder)
    limits = port.limits(Limits())
    where = runners.runner("docker", limits)
    where.prepare(port, lambda line: None)
    height = verbs.verb_of(fault.level).number
    levels = [asked for asked in Choice("docker").cases(slow=True) if asked[0].number <= height]
    with Session(where.launch, limits) as session:
        found = climb(session, levels, port.name)
    assert [level.level.verb for level in found if level.verdict != "agrees"] == [fault.level]
    failure = found[-1].first_failure
    assert failure is not None and failure.difference is not None
    assert re.match(fault.checkpoint, failure.difference.checkpoint), failure.difference
