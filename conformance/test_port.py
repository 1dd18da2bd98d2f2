"""Every case of the ladder is one test: the port's reply must agree with the golden trace."""

from __future__ import annotations

import pytest

from conformance.conftest import Judged
from harness import report
from harness.judge import judge_case
from harness.ladder import Case


def test_agrees(case: Case, judged: Judged) -> None:
    result = judge_case(judged.session, case, judged.manifest.name)
    known = next((known for known in judged.manifest.known if known.case == case.id), None)
    if known is not None:
        if result.verdict == "agrees":
            pytest.fail(f"{case.id} is listed as known, but passes: take it out of port.yaml", pytrace=False)
        pytest.xfail(f"{known.reason} ({known.link})")
    if result.verdict == "agrees":
        assert result.values > 0
        return
    explanation = report.explain(result)
    if case.level.number > judged.manifest.level:
        pytest.xfail(f"above level {judged.manifest.level}, which the port claims: {explanation}")
    pytest.fail(explanation, pytrace=False)
