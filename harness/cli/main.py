"""The command `conform`: collects the commands of this folder, and turns every known fault into a sentence.

Exit status: 0 the port conforms, 1 it does not, 2 the command or port.yaml is wrong, 3 this machine cannot do
it, or something happened that nobody foresaw.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import Any, NoReturn

import click

from conformance.ladder import BrokenSuite, UnknownCase
from harness import paths
from harness.cli.accuracy import accuracy
from harness.cli.archaeology import archaeology
from harness.cli.base import get_base
from harness.cli.bench import measure
from harness.cli.check import check
from harness.cli.check_math import check_math
from harness.cli.doctor import examine
from harness.cli.fuzz import fuzz
from harness.cli.garden import garden
from harness.cli.hexagons import hexagons
from harness.cli.history import diff, history
from harness.cli.laws import laws
from harness.cli.lists import list_cases, list_ports, show_dockerfile
from harness.cli.matrix import judge_all
from harness.cli.mutants import mutants
from harness.cli.new import new_port
from harness.cli.original import original
from harness.cli.plan import plan
from harness.cli.publish import publish
from harness.cli.render import render
from harness.cli.run import run
from harness.cli.seed_quality import seed_quality
from harness.cli.shared import ERR, EXIT_CODES
from harness.cli.shell import shell
from harness.cli.site import site
from harness.cli.start import begin
from harness.cli.try_case import try_case
from harness.crash import broken_suite, unexpected
from harness.errors import ConformError, ManifestError
from harness.report import terminal
from harness.threads import leave


class _Conform(click.Group):
    """Turns every fault that the harness knows into a sentence and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnknownCase as problem:
            _end(ManifestError(str(problem)))
        except BrokenSuite as problem:
            _end(broken_suite(problem))
        except ConformError as error:
            _end(error)
        except KeyboardInterrupt:
            ERR.print("interrupted: the port was stopped and its container removed")
            leave(130)
        except BrokenPipeError:
            _leave_a_closed_pipe()
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            _end(unexpected(error, f"conform {ctx.invoked_subcommand or ''}".strip()))


def _end(fault: ConformError) -> NoReturn:
    ERR.print(terminal.error_text(fault))
    sys.exit(EXIT_CODES.get(fault.outcome, 1))


def _leave_a_closed_pipe() -> NoReturn:
    """Somebody stopped reading, as `head` does: nothing is wrong."""
    sys.stdout = open("/dev/null", "w")  # noqa: SIM115 - it stays open to the end, for what is still to be flushed
    sys.exit(0)


@click.group(cls=_Conform, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Check, bit by bit, that a port of microgpt computes what the reference computes.

    \b
    conform run rust                         build in Docker, climb the ladder, report
    conform run rust --level 6               one level only
    conform run rust --case backward/window  one case only
    conform run rust --runner local          without Docker
    conform check my.log                     a program that speaks no protocol, by what it prints
    conform doctor                           check this machine's prerequisites
    """


def _of_the_repository(command: click.Command) -> click.Command:
    """A command that works on ports/ and results/, which an installed package does not hold."""
    work = command.callback
    assert work is not None

    @wraps(work)
    def checked(*args: Any, **options: Any) -> Any:
        if not paths.ports_dir().is_dir():
            raise ManifestError(
                f"conform {command.name} works on the project's repository, and this is a package without it",
                hint="clone the repository, and run it there; 'conform check' works anywhere",
            )
        return work(*args, **options)

    command.callback = checked
    return command


COMMANDS = (
    *(run, check, begin, try_case, shell, new_port, list_cases, show_dockerfile, fuzz, mutants, check_math),
    *(render, publish, diff, history, plan, laws, archaeology, original, get_base, examine),
    *map(
        _of_the_repository, (judge_all, list_ports, accuracy, measure, site, garden, hexagons, seed_quality)
    ),
)
for _command in COMMANDS:
    main.add_command(_command)
