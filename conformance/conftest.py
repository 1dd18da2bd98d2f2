"""The ladder as a pytest suite: `pytest conformance --port c -k adam -x --level 9`, with all that pytest
can do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from harness import ladder, manifest, runners
from harness.errors import ConformError
from harness.limits import Limits
from harness.session import Session


@dataclass(frozen=True)
class Judged:
    """The port under test: what it claims, and a conversation with it."""

    manifest: manifest.Manifest
    session: Session


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--port", help="the port to judge, as its folder under ports/ is named")
    group.addoption("--level", type=int, choices=range(1, 13), metavar="1-12", help="ask this level only")
    group.addoption("--runner", choices=("docker", "local"), default="docker", help="where the port runs")
    group.addoption("--long", action="store_true", help="ask the long cases too (1,000 steps)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case of the ladder."""
    if "case" not in metafunc.fixturenames:
        return
    option = metafunc.config.getoption
    if option("--port") is None:
        raise pytest.UsageError(f"name a port with --port; there are {', '.join(manifest.known_ports())}")
    cases = [
        pytest.param(case, id=case.id, marks=[pytest.mark.long] if case.long else [])
        for level in ladder.levels()
        if option("--level") in (None, level.number)
        for case in level.cases
        if option("--long") or not case.long
    ]
    metafunc.parametrize("case", cases)


@pytest.fixture(scope="session")
def judged(request: pytest.FixtureRequest) -> Iterator[Judged]:
    """The port, built and ready to be asked. Whatever keeps it from that ends the whole run."""
    try:
        port = manifest.load(request.config.getoption("--port"))
        limits = port.limits(Limits())
        runner = runners.runner(request.config.getoption("--runner"), limits)
        runner.prepare(port)
    except ConformError as error:
        pytest.exit("\n".join([error.message, *error.log, error.hint]), returncode=3)
    with Session(runner.launch, limits) as session:
        yield Judged(port, session)
