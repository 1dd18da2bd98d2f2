"""The ladder as a pytest suite: the options, and the fixture `judge` of `conformance/test_port.py`.

Registered as a plugin in pyproject.toml, so that `conformance` need not know the harness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from conformance import ladder
from conformance.ladder import Case
from harness.build import manifest, runners
from harness.errors import ConformError
from harness.judge.climb import judge_case
from harness.report import terminal
from harness.run.limits import Limits
from harness.run.session import Session


@dataclass(frozen=True)
class Conversation:
    """The port under test: what it claims, and the session that asks it."""

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
    if "ladder_case" not in metafunc.fixturenames:
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
    metafunc.parametrize("ladder_case", cases)


@pytest.fixture(scope="session")
def conversation(request: pytest.FixtureRequest) -> Iterator[Conversation]:
    """The port, built and ready to be asked. Whatever keeps it from that ends the whole run."""
    try:
        port = manifest.load(request.config.getoption("--port"))
        limits = port.limits(Limits())
        runner = runners.runner(request.config.getoption("--runner"), limits)
        runner.prepare(port)
    except ConformError as error:
        pytest.exit("\n".join([error.message, *error.log, error.hint]), returncode=3)
    with Session(runner.launch, limits) as session:
        yield Conversation(port, session)


@pytest.fixture
def judge(conversation: Conversation) -> Callable[[Case], None]:
    """Asks one case, and fails the test unless the port's reply agrees."""

    def judge_one(case: Case) -> None:
        port = conversation.manifest
        result = judge_case(conversation.session, case, port.name)
        known = next((known for known in port.known if known.case == case.id), None)
        if known is not None:
            if result.verdict == "agrees":
                pytest.fail(
                    f"{case.id} is a expected failure but passes: remove it from port.yaml", pytrace=False
                )
            pytest.xfail(f"{known.reason} ({known.link})")
        if result.verdict == "agrees":
            assert result.values > 0
            return
        explanation = terminal.explain(result)
        if case.level.number > port.level:
            pytest.xfail(f"above level {port.level}, which the port claims: {explanation}")
        pytest.fail(explanation, pytrace=False)

    return judge_one
