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
from harness.report.terminal import first_failure
from harness.run.limits import Limits

PORTS = Path(__file__).parents[3] / "ports"


@dataclass(frozen=True)
class Fault:
    """`old` stands once in `file` and becomes `new`; the first divergence is in `level`, at `checkpoint`."""

    port: str
    what: str
    file: str
    old: str
    new: str
    level: str
    checkpoint: str  # a pattern


FAULTS = (
    Fault(
        "c",
        "epsilon inside the root",
        "training.c",
        "half_power(v_hat) + epsilon",
        "half_power(v_hat + epsilon)",
        "adam",
        r"parameters\[",
    ),
    Fault(
        "javascript",
        "left bisection",
        "microgpt.js",
        "if (u < cumulative[middle]) high",
        "if (u <= cumulative[middle]) high",
        "random",
        r"choices",
    ),
    Fault(
        "rust",
        "another epsilon in the norm",
        "model.rs",
        "self.mean_square = dot(x, x) * model.mean_factor + 1e-5;",
        "self.mean_square = dot(x, x) * model.mean_factor + 1e-6;",
        "forward",
        r"pos0\.normed\[0\]",
    ),
    Fault(
        "go",
        "fused multiply-add",
        "verbs_numbers.go",
        "return float64(x[0]*x[1]) + x[2]",
        "return math.FMA(x[0], x[1], x[2])",
        "arith",
        r"muladd",
    ),
    Fault(
        "zig",
        "the schedule one step ahead",
        "Optimizer.zig",
        ".linear => optimizer.learning_rate * (1 - s / n),",
        ".linear => optimizer.learning_rate * (1 - (s + 1) / n),",
        "adam",
        r"rate",
    ),
    Fault(
        "haskell",
        "all of Unicode's white space stripped",
        "Tokens.hs",
        "filter (not . Text.null) . map (Text.dropAround isWhite)",
        "filter (not . Text.null) . map (Text.strip . Text.dropAround isWhite)",
        "tokens",
        r"vocabulary|encoded",
    ),
    Fault(
        "lua",
        "gradients assigned, not added",
        "microgpt.lua",
        "gradient[w] = gradient[w] + value[x] * g",
        "gradient[w] = value[x] * g",
        "backward",
        r"",
    ),
)


@pytest.mark.docker
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.port}: {fault.what}")
def test_the_first_divergence_names_the_fault(fault: Fault, tmp_path: Path):
    folder = tmp_path / fault.port
    shutil.copytree(PORTS / fault.port, folder)
    source = folder / fault.file
    text = source.read_text()
    assert text.count(fault.old) == 1, "the line that was to be changed has changed itself"
    source.write_text(text.replace(fault.old, fault.new))
    port = manifest.load_folder(folder)
    limits = port.limits(Limits())
    found = conform(port, runners.runner("docker", limits), limits, Choice("docker"), Listener())
    assert found.outcome == "disagrees", found.get("fault")
    failure = first_failure(found)
    assert failure is not None
    level, case = failure
    assert level.verb == fault.level
    assert re.match(fault.checkpoint, case.difference.checkpoint), case.difference
