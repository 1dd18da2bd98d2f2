"""Claims about the code that GUIDE.md and EXACT.md show."""

import math
import re
import subprocess
import sys
from fractions import Fraction
from math import isqrt
from pathlib import Path

import pytest

from conformance import ladder
from conformance.hard_inputs import HARD_INPUTS
from conformance.math_inputs import batch_of_calls, from_bits
from conformance.messages import parse_reply
from harness.judge.compare import compare
from reference import exactmath

ROOT = Path(__file__).parents[2]
HELLO, *HIGHER = ladder.levels()


def shown(page: str, name: str) -> str:
    """The code on a page after the mark with this name."""
    text = (ROOT / page).read_text(encoding="utf-8")
    [code] = re.findall(rf"<!-- {name} -->\n```python\n(.*?)```\n", text, re.DOTALL)
    return str(code)


@pytest.fixture(scope="module")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("smallest") / "microgpt.py"
    path.write_text(shown("conformance/GUIDE.md", "smallest port"), encoding="utf-8")
    return path


def asked(port: Path, request: bytes) -> str:
    done = subprocess.run([sys.executable, str(port)], input=request, capture_output=True, check=True)
    return done.stdout.decode("ascii")


@pytest.mark.parametrize("case", [*HELLO.cases, *HELLO.robust_cases], ids=lambda case: case.name)
def test_the_smallest_port_passes_level_1_and_is_robust(case: ladder.Case, smallest: Path):
    reply = parse_reply(asked(smallest, case.request.data()))
    assert reply.id == case.golden.id
    assert compare(case.request, case.golden, reply, "smallest").agrees


def test_the_smallest_port_answers_all_requests_of_one_write(smallest: Path):
    requests = b"".join(level.cases[0].request.data() for level in (HELLO, *HIGHER))
    first, *rest = asked(smallest, requests).split("end\n")[:-1]
    assert first.startswith("ok example\n")
    assert rest == ["error example unsupported\n"] * len(HIGHER)


def test_the_ten_lines_for_powers_round_correctly():
    tools = {"isqrt": isqrt}
    exec(shown("reference/EXACT.md", "power"), tools)
    hard = [(from_bits(x), from_bits(y)) for x, y in HARD_INPUTS["pow"]]
    for x, y in [*hard, *batch_of_calls("pow", 42, 0, 1500)]:
        if not 0.0 < x < math.inf or y == 0.0 or abs(y) > 64.0:
            continue
        m, d = x.as_integer_ratio()
        zeros = (m & -m).bit_length() - 1
        n, exponent = tools["power"](m >> zeros, zeros - d.bit_length() + 1, int(2.0 * y))
        exact = Fraction(n) * Fraction(2) ** exponent
        try:
            rounded = exact.numerator / exact.denominator
        except OverflowError:
            rounded = math.inf
        assert rounded == exactmath.pow(x, y), (x, y)
