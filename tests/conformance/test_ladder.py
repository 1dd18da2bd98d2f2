"""Claims about the ladder: its files are what the reference says, today and under other Pythons.

The reference answers a sample here, other cases whenever the suite changes; `make golden-check` computes all.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from sampling import sample

from conformance import ladder, verbs
from conformance.cases import LEVELS
from conformance.golden import (
    EXAMPLE,
    LEVELS_FOLDER,
    ROBUST_FOLDER,
    SPEC,
    spec_with_examples,
)
from conformance.messages import golden_of
from harness.build import base
from harness.run.protocol import MAX_LINE
from reference.protocol.wire import checksum

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "JUDGING.md", ROOT / "reference" / "EXACT.md")
LEVEL_CASES = [case for level in ladder.levels() for case in level.cases if not case.large]
ALL = [case for case in (*LEVEL_CASES, *ladder.robust()) if not case.name.startswith("found-")]


def quick(number: int, cases: Iterable[ladder.Case]) -> list[ladder.Case]:
    return sample(number, [case for case in cases if not case.long and not case.large], lambda case: case.id)


SAMPLE = [
    case
    for level in ladder.levels()
    for case in (
        *level.cases[:1],
        *quick(1 if level.number >= 10 else 4, level.cases[1:]),
        *quick(2, level.robust_cases),
    )
    if not case.request.ends_input
]


def test_there_are_twelve_levels_in_the_order_of_the_verbs():
    assert [level.verb.name for level in LEVELS] == list(verbs.NAMES)
    assert [path.name for path in sorted(LEVELS_FOLDER.iterdir())] == [level.verb.folder for level in LEVELS]


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.verb.name)
def test_the_requests_are_those_that_the_generator_makes(level):
    folders = {False: LEVELS_FOLDER / level.verb.folder, True: ROBUST_FOLDER / level.verb.name}
    for is_robust, folder in folders.items():
        made = {case.name: case.request() for case in level.cases() if case.robust == is_robust}
        assert made == {path.stem: path.read_bytes() for path in folder.glob("*.request")}


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.id)
def test_the_golden_traces_are_what_the_reference_replies(case):
    assert golden_of(case.request) == case.golden


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_every_file_keeps_to_the_protocol(case):
    golden = case.path.with_suffix(".golden").read_text("ascii")
    assert case.golden.id == case.request.id
    assert golden.endswith("end\n") and max(map(len, golden.split("\n"))) <= MAX_LINE
    if not case.name.startswith("error-"):
        assert case.request.id == case.name or case in ladder.robust()
        assert max(map(len, case.path.read_text("ascii").split("\n"))) <= MAX_LINE


def test_the_ladder_fits_into_the_repository():
    assert sum(path.stat().st_size for path in LEVELS_FOLDER.glob("*/*")) < 20_000_000


@pytest.mark.parametrize("level", ladder.levels(), ids=lambda level: level.verb)
def test_every_level_has_an_example_and_bad_requests_beside_it(level):
    assert level.cases[0].name == "example"
    assert all(case.golden.ok for case in level.cases if not case.large)
    assert sum(not case.golden.ok for case in level.robust_cases) >= 4


def test_what_is_beside_the_levels_is_bad_or_of_an_unusual_form():
    assert [case.name for case in ladder.robust() if case.golden.ok] == [
        "id-of-all-kinds",
        "last-line-without-lf",
    ]
    assert all(1 <= len(case.golden.reason) <= 200 for case in ladder.robust() if not case.golden.ok)
    assert ladder.find_case("run/error-preset") in ladder.robust()


def test_arith_and_math_have_hundreds_of_hard_patterns_each():
    for level in ladder.levels()[1:3]:
        assert sum(len(case.golden.lines) for case in level.cases) > 1000


def test_the_examples_of_the_specification_are_up_to_date():
    text = SPEC.read_text()
    files = {path: path.read_bytes() for path in LEVELS_FOLDER.glob("*/example.*")}
    assert EXAMPLE.findall(text) == ["hello", "arith", "math", "tokens", "graph", "checksum"]
    assert spec_with_examples(text, files) == text


def test_the_specification_is_one_sitting_and_its_lines_fit_a_screen():
    lines = SPEC.read_text().splitlines()
    assert len(lines) <= 650
    for page in (SPEC, SPEC.with_name("GUIDE.md"), *PAGES):
        for number, line in enumerate(page.read_text().splitlines(), start=1):
            assert len(line) <= 120, f"{page.name}, line {number}"


@pytest.mark.parametrize("page", [SPEC, SPEC.with_name("GUIDE.md"), *PAGES], ids=lambda page: page.name)
def test_pages_link_to_files_that_exist(page: Path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_specification_links_to_sections_that_exist():
    text = SPEC.read_text()
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(#([^)]*)\)", text):
        assert target in headings


def test_a_checksum_depends_on_order_signs_and_the_number_of_zeros():
    lists = ([], [0.0], [0.0, 0.0], [-0.0], [1.0, 2.0], [2.0, 1.0], [float("nan")], [5e-324])
    assert len({checksum(numbers) for numbers in lists}) == len(lists)


def pythons() -> list[str]:
    """Every other Python on the PATH that is new enough, by its command."""
    found = []
    for name in ("python3.11", "python3.12", "python3.13", "python3.14", "pypy3"):
        path = shutil.which(name)
        version = "import sys; sys.exit(sys.version_info < (3, 11))"
        if path and subprocess.run([path, "-c", version], capture_output=True).returncode == 0:
            found.append(name)
    return found or [sys.executable]


def answers(command: list[str], seed: str) -> bytes:
    requests = b"".join(case.request.data() for case in SAMPLE)
    finished = subprocess.run(
        command,
        input=requests,
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": seed},
        check=True,
    )
    return finished.stdout


GOLDEN = b"".join(case.path.with_suffix(".golden").read_bytes() for case in SAMPLE)


@pytest.mark.slow
@pytest.mark.parametrize("python", pythons())
def test_other_pythons_and_another_hash_seed_give_the_same_bytes(python: str):
    assert answers([python, "-m", "reference", "conform"], seed="1234") == GOLDEN


@pytest.mark.docker
@pytest.mark.parametrize("python", ["python3", "pypy3"])
def test_the_pythons_of_the_base_image_give_the_same_bytes(python: str):
    """CPython 3.13 and PyPy 3.11, each in a container that has nothing but it."""
    image = f"microgpt-conformance/test-{python}"
    install = f"apt-get update && apt-get install -y --no-install-recommends {python}"
    recipe = f"FROM {base.ensure_base()}\nRUN {install}\n"
    subprocess.run(
        ["docker", "build", "--tag", image, "-"], input=recipe, text=True, check=True, capture_output=True
    )
    mount = f"{ROOT}:/project:ro"
    command = ["docker", "run", "--rm", "-i", "--network", "none", "-v", mount, "-w", "/project", image]
    assert answers([*command, python, "-B", "-m", "reference", "conform"], seed="0") == GOLDEN
