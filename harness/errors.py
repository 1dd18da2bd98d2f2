"""Everything that can end a run early, one class for each kind of fault.

What this is not for: a port whose answers are well-formed but wrong. That is a finding of the comparison.

The life of a run and the errors of its stages:

    port.yaml is read        ManifestError    the file is missing, misspelt or contradicts itself
    base image is found      MachineFault     no engine, no permission, no disk, no registry
    image or folder is built BuildFailed      the port's own command failed
                             LimitExceeded    --build-timeout
                             MachineFault     the package mirror cannot be reached, the disk is full
    process is started       PortCrashed      it ended before it answered
                             LimitExceeded    --start-timeout
                             MachineFault     the engine went away
    request is sent,         PortCrashed      it ended in the middle
    reply is read            LimitExceeded    --request-timeout, --memory, --output-limit, --stderr-limit
                             ProtocolFault    it said something that is not a reply to this request

A MachineFault is never held against a port.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

Outcome = Literal["protocol", "crashed", "limit", "build", "machine", "usage"]


class ConformError(Exception):
    """A fault with all that a report needs to explain it.

    code: one word for machines. message: what was expected, what came, and where. hint: what to type to mend
    it, maybe empty. log: the last lines of the output that belongs to it, maybe none. outcome: what the run
    comes to.
    """

    outcome: ClassVar[Outcome]
    code: str = "fault"

    def __init__(self, message: str, *, hint: str = "", log: Iterable[str] = (), code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log: tuple[str, ...] = tuple(log)
        if code:
            self.code = code

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.__dict__.copy())


def _revive(kind: type[ConformError], state: dict[str, Any]) -> ConformError:
    """Rebuild an error that came out of a pickle, whatever its __init__ takes."""
    error = kind.__new__(kind, state["message"])
    error.__dict__.update(state)
    return error


class ManifestError(ConformError):
    """port.yaml, or the name of a port, is not what it should be."""

    outcome = "usage"
    code = "manifest"


class ResultsError(ConformError):
    """A saved result, or a file that is made from results, is not what it should be."""

    outcome = "usage"
    code = "results"


class BuildFailed(ConformError):
    """A command of the port's build failed; `command` is that command and `log` holds its last lines."""

    outcome = "build"
    code = "build-failed"

    def __init__(self, message: str, *, command: str = "", hint: str = "", log: Iterable[str] = ()) -> None:
        super().__init__(message, hint=hint, log=log)
        self.command = command


class MachineFault(ConformError):
    """This machine cannot do what was asked; no port is to blame."""

    outcome = "machine"
    code = "machine"


class PortCrashed(ConformError):
    """The port's process ended while it owed an answer; `log` holds the end of its standard error."""

    outcome = "crashed"
    code = "crashed"


class LimitExceeded(ConformError):
    """The port ran out of time, memory or output; `option` is the option that raises the limit."""

    outcome = "limit"
    code = "limit"

    def __init__(self, message: str, *, option: str, hint: str = "", log: Iterable[str] = ()) -> None:
        super().__init__(message, hint=hint or f"{option} raises this limit", log=log)
        self.code = option.lstrip("-")
        self.option = option


class ProtocolFault(ConformError):
    """The port said something that is no reply to the request; `line` counts from 1, 0 for none."""

    outcome = "protocol"
    code = "protocol"

    def __init__(self, message: str, *, line: int = 0, hint: str = "", log: Iterable[str] = ()) -> None:
        super().__init__(message, hint=hint, log=log)
        self.line = line
