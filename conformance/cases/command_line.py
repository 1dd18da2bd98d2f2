"""The command line: what people type, `microgpt run [seed|classic] < names.txt`, and what
the reference prints then.

Inputs are tiny, and made by rule where they are long: a run has 500 or 1,000 steps whatever the dataset.
`conformance/command_line/` has `<name>.output`, all of standard output, and `<name>.input` if that is short.
An empty output stands for a refusal: one sentence on standard error and exit status 1.

    ./microgpt run seed < crlf.input | diff - crlf.output
    python -m conformance.cases.command_line line-of-70000 | ./microgpt run seed
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "command_line"
_STORED = 1000  # bytes of an input; a longer one is made when it is needed


@dataclass(frozen=True)
class Run:
    """One run from the command line: the words after the program's name, and the bytes of standard input.

    quick: it is asked of slow ports, too. is_misuse: the arguments are wrong and not the dataset, and many
    libraries exit with 2 then.
    """

    name: str
    arguments: tuple[str, ...]
    input: bytes
    quick: bool = False
    is_misuse: bool = False

    @cached_property
    def output(self) -> bytes:
        """What the reference prints; nothing for a refusal."""
        return (FOLDER / f"{self.name}.output").read_bytes()


def runs() -> Iterator[Run]:
    seed, classic = ("run", "seed"), ("run", "classic")
    yield Run("no-last-lf", seed, b"ab\nba\nc", quick=True)
    yield Run("classic", classic, b"ab\nb\n")
    yield Run("no-preset-line-of-300", ("run",), b"abc" * 100 + b"\n")
    # Whoever decodes what one read brings cuts a character in two, at whatever power of two.
    yield Run("line-of-70000", seed, f"ab\n{'가😀' * 35_000}\na\n".encode())
    yield Run("crlf", seed, b"\r\nab\r\n\r\n\t a b\x0b\x0c\r\r\nb\r")
    yield Run("separators", seed, "a\u2028b\n\u0085a\nb\u00a0\n\x1ca\0b\nb\ra\n".encode())
    yield Run("bom", seed, "\ufeffab\nb\n".encode())
    yield Run("emoji-and-hangul", seed, "😀가\n👩‍🚀\né\n".encode())
    # What is refused costs no training.
    yield Run("empty", seed, b"", quick=True)
    yield Run("blank", seed, b"\n \t\r\n\n", quick=True)
    yield Run("stray-byte", seed, b"ab\nb\xffa\n", quick=True)
    yield Run("cut-character", seed, b"ab\nb\xe2\x82", quick=True)
    yield Run("overlong", classic, b"ab\n\xc0\xaf\n", quick=True)
    yield Run("surrogate", seed, b"ab\n\xed\xa0\x80\n", quick=True)
    yield Run("characters-2048", seed, "\n".join(map(chr, range(0x4E00, 0x4E00 + 2048))).encode(), quick=True)
    yield Run("unknown-preset", ("run", "modern"), b"ab\nba\n", quick=True, is_misuse=True)


def content_hash() -> str:
    """SHA-256 of all that is asked and expected."""
    digest = hashlib.sha256()
    for run in runs():
        digest.update(f"{run.name} {' '.join(run.arguments)} {len(run.input)} {len(run.output)}\n".encode())
        digest.update(run.input + run.output)
    return digest.hexdigest()


def files() -> dict[Path, bytes]:
    """The content of `conformance/command_line/`, from runs of the reference: some minutes."""
    asked = list(runs())
    made = {FOLDER / f"{run.name}.input": run.input for run in asked if len(run.input) <= _STORED}
    with ThreadPoolExecutor() as pool:
        outputs = pool.map(_output, asked)
        return made | {FOLDER / f"{run.name}.output": out for run, out in zip(asked, outputs, strict=True)}


def _output(run: Run) -> bytes:
    """Raises SystemExit if the reference itself breaks the rule about refusals."""
    command = [sys.executable, "-m", "reference", *run.arguments]
    done = subprocess.run(command, input=run.input, capture_output=True, check=False)
    if bool(done.stdout) != (done.returncode == 0):
        raise SystemExit(f"the reference prints something and fails, or neither, for {run.name}: {done}")
    return done.stdout


if __name__ == "__main__":
    sys.stdout.buffer.write(next(run.input for run in runs() if run.name == sys.argv[1]))
