"""What the commands share: the two consoles, the options of the limits, and the choice of a runner."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click
from rich.console import Console

from harness.build import manifest
from harness.report.escape import plain
from harness.run.limits import MIB, Limits


class _Seconds(click.FloatRange):
    """A number of seconds. NaN, which is neither above nor below anything, would pass as a FloatRange."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return number


SECONDS = _Seconds(min=0, max=7 * 86400, min_open=True)
EXIT_CODES = {"machine": 3, "usage": 2}
OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)

runner_option = click.option(
    "--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True
)


def note(text: str) -> None:
    """A remark on standard error."""
    ERR.print(plain(text), style="dim", markup=False)


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    usual = Limits()
    for name, text, default in (
        ("--build-timeout", "Seconds for the build.", usual.build),
        ("--start-timeout", "Seconds from start to the first answer.", usual.start),
        ("--request-timeout", "Seconds for one request.", usual.request),
        ("--run-timeout", "Seconds for all requests together.", usual.run),
    ):
        command = click.option(name, type=SECONDS, help=f"{text}  [usually {default:g}]")(command)
    for name, text, size in (
        ("--memory", "MiB of memory for the port.", usual.memory),
        ("--output-limit", "MiB that one reply may have.", usual.output),
        ("--stderr-limit", "MiB of standard error for one request.", usual.stderr),
        ("--build-memory", "MiB of memory for a command of the build.", usual.build_memory),
        ("--build-disk", "MiB that a command of the build may write.", usual.build_disk),
    ):
        command = click.option(name, type=click.IntRange(min=1), help=f"{text}  [usually {size // MIB}]")(
            command
        )
    return command


def limits_of(loaded: manifest.Manifest, options: dict[str, float | None]) -> Limits:
    """The usual limits, then the port's own, then those of the command line."""
    fields = {
        "build_timeout": ("build", 1),
        "start_timeout": ("start", 1),
        "request_timeout": ("request", 1),
        "run_timeout": ("run", 1),
        "memory": ("memory", MIB),
        "output_limit": ("output", MIB),
        "stderr_limit": ("stderr", MIB),
        "build_memory": ("build_memory", MIB),
        "build_disk": ("build_disk", MIB),
    }
    chosen = {
        fields[option][0]: value * fields[option][1] for option, value in options.items() if value is not None
    }
    return replace(loaded.limits(Limits()), **chosen)  # type: ignore[arg-type]
