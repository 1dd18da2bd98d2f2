"""One line of each port is changed, and the report must lead with the right level and quantity.

Every fault is of another kind, and one that people make. The ports are built in containers, as for users.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.build import manifest, runners
from harness.fleet.conform import Choice, Listener, conform
from harness.run.limits import Limits

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
        "gradient[w] = gradient[w] + value[x] * g",
        "gradient[w] = value[x] * g",
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
    found = conform(port, runners.runner("docker", limits), limits, Choice("docker"), Listener())
    assert found.outcome == "disagrees", found.fault
    failure = found.first_failure
    assert failure is not None
    level, case = failure
    assert level.verb == fault.level
    assert case.difference is not None
    assert re.match(fault.checkpoint, case.difference.checkpoint), case.difference
