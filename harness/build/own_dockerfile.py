"""What a port's own Dockerfile may not say, each refusal with its line.

Refused is what reaches past the limits that hold for all ports: places on the host to write to, files that
the engine itself fetches, instructions for images built later, and another port's program as one's own. Not
for syntax: the engine judges that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import ManifestError

REPOSITORY = "microgpt-conformance"
"""The images of all ports are named `microgpt-conformance/<port>:<hash>`."""
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(.*?)\s*")


@dataclass(frozen=True)
class Instruction:
    """One instruction, continued lines joined, from the line `line` to the line `last`."""

    line: int
    last: int
    word: str
    rest: str


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a Dockerfile, as the engine's classic builder reads them."""
    lines = text.lstrip("\ufeff").splitlines()
    escape = _escape(lines)
    begun, joined = 0, ""
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue  # inside a continued instruction, too
        begun = begun or number
        if line.endswith(escape):
            joined += line[:-1] + " "
            continue
        yield _instruction(begun, number, joined + line)
        begun, joined = 0, ""
    if joined:
        yield _instruction(begun, len(lines), joined)


def _escape(lines: list[str]) -> str:
    """The character that continues a line: a directive at the top may choose another."""
    for line in lines:
        directive = _DIRECTIVE.fullmatch(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape":
            return directive[2][:1]
    return "\\"


def _instruction(line: int, last: int, text: str) -> Instruction:
    word, *rest = text.split(maxsplit=1)
    return Instruction(line, last, word.upper(), rest[0] if rest else "")


def images(text: str) -> Iterator[tuple[Instruction, str]]:
    """The images that a Dockerfile begins with or copies from; stages of its own are none."""
    stages: set[str] = set()
    for step in instructions(text):
        if step.word == "FROM":
            words = [word for word in step.rest.split() if not word.startswith("--")]
            if words and words[0].lower() not in stages:
                yield step, words[0]
            if len(words) == 3:
                stages.add(words[2].lower())
        elif step.word == "COPY":
            for source in re.findall(r"--from=(\S+)", step.rest):
                if source.lower() not in stages and not source.isdigit():
                    yield step, source


def check(port: str, text: str) -> None:
    """Raises ManifestError for the first thing that is refused."""
    for step in instructions(text):
        if step.word == "VOLUME":
            raise _refusal(port, step, "lets a port write to the host's disk", "files of a run go to /tmp")
        if step.word == "ONBUILD":
            raise _refusal(port, step, "is for images built on this one, and no port's image is built on", "")
        if step.word == "ADD":
            raise _refusal(
                port, step, "may make the engine itself fetch files, outside every limit", "use COPY"
            )
    for step, image in images(text):
        if "$" in image:
            raise _refusal(
                port, step, "does not say which image that is", "write its name, without variables"
            )
        if f"{REPOSITORY}/" in image:
            raise another_ports(port, step, image)


def another_ports(port: str, step: Instruction, image: str) -> ManifestError:
    return _refusal(
        port,
        step,
        f"takes another port's program: {image} is a port's image",
        "begin with an image of Debian",
    )


def _refusal(port: str, step: Instruction, why: str, hint: str) -> ManifestError:
    shown = f"{step.word} {step.rest}"[:100]
    return ManifestError(
        f"the Dockerfile of {port}, line {step.line}: '{shown}' {why}", hint=hint, code="dockerfile"
    )


def labelled(text: str, label: str) -> str:
    """The Dockerfile with a label after each FROM: what a failed build leaves behind is known as ours."""
    lines = text.splitlines()
    ends = {step.last for step in instructions(text) if step.word == "FROM"}
    made = []
    for number, line in enumerate(lines, start=1):
        made.append(line)
        if number in ends:
            made.append(f"LABEL {label}")
    return "\n".join(made) + "\n"
