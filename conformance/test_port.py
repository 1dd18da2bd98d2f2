"""Every case of the ladder is one test: `pytest conformance --port c -k adam -x --level 9`."""

from collections.abc import Callable

from conformance.ladder import Case


def test_agrees(ladder_case: Case, judge: Callable[[Case], None]) -> None:
    """The port's reply must agree with the golden trace. `judge` comes from harness/cli/pytest_plugin.py."""
    judge(ladder_case)
