"""Write the ladder: every request, the reference's reply to it, and the worked examples of SPEC.md.

    python -m conformance.golden            write what is new or different, remove what is no longer made
    python -m conformance.golden --check    write nothing; exit with 1 if anything would change
    python -m conformance.golden --level 9  only one level (the long cases of level 12 take minutes)
    python -m conformance.golden --sums     the sums alone, of the files as they lie there: after a merge
    python -m conformance.golden --by PROGRAM    a port computes, and the reference confirms one case in eight

The requests come from `conformance/cases/`: those of a level go to `levels/`, those that test nothing but the
protocol to `robust/`; of large ones, only hashes are stored, in `large.json`. `command_line/` comes with
level 12. What is in `found/` is kept, with new replies; the sums of all files stand in `suite.sha256`.
Running it twice gives the same bytes, on every machine.
"""

import argparse
import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from conformance import sums
from conformance.cases import LEVELS, LevelCases, command_line, large
from conformance.cases.case import Case
from conformance.messages import golden_of, request_of
from reference.protocol import replies
from reference.protocol.wire import checksum, hexadecimal

HERE = Path(__file__).parent
LEVELS_FOLDER = HERE / "levels"
ROBUST_FOLDER = HERE / "robust"
FOUND_FOLDER = HERE / "found"
LARGE_FILE = HERE / "large.json"
SUMS_FILE = HERE / sums.NAME
SPEC = HERE / "SPEC.md"
EXAMPLE = re.compile(r"<!-- example (\w+) -->\n(?:\n```text\n.*?```\n<!-- end of example -->\n)?", re.DOTALL)
CONFIRMED = 8  # one reply of so many
SHOWN = 20  # names of changed files
CHECKSUM_EXAMPLE = (0.0, -0.0, 1.0, 0.1)


def reply_to(request: bytes, by: str = "") -> bytes:
    """The reply of the reference; or of the program `by`, where it is no error and nothing of its own.

    The reference confirms one reply in eight, chosen by the request's hash; SystemExit where it does not.
    """
    came = b"" if not by or request.startswith(b"hello ") else reply_of(by, request)
    is_reply = came.startswith(b"ok ")  # reasons of errors are each program's own
    if is_reply and hashlib.sha256(request).digest()[0] % CONFIRMED:
        return came
    reply = io.BytesIO()
    replies.answer_all(io.BytesIO(request), reply)
    if is_reply and came != reply.getvalue():
        name = request.partition(b"\n")[0].decode(errors="replace")
        raise SystemExit(f"error: {by} does not conform: it answers '{name}' otherwise than the reference")
    return reply.getvalue()


def reply_of(program: str, request: bytes) -> bytes:
    try:
        return subprocess.run(shlex.split(program), input=request, capture_output=True, check=False).stdout
    except (OSError, ValueError) as problem:
        raise SystemExit(f"error: --by '{program}' does not start: {problem}") from None


def chosen_cases(levels: Sequence[LevelCases]) -> Iterator[tuple[str, Case]]:
    """Folder and case, the long ones first, since they take longest."""
    found = [(level.verb.folder, case) for level in levels for case in level.cases()]
    names = [(folder, case.name) for folder, case in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"two cases have the same name: {sorted(twice)}")
    yield from sorted(found, key=lambda pair: not pair[1].name.startswith("long-"))


def golden_files(levels: Sequence[LevelCases], by: str = "") -> Iterator[tuple[Path, bytes]]:
    """Every file of these levels with its content."""
    found = list(chosen_cases(levels))
    with ProcessPoolExecutor() as pool:
        replies = pool.map(partial(reply_to, by=by), [case.request() for _, case in found])
        for (folder, case), reply in zip(found, replies, strict=True):
            stem = (ROBUST_FOLDER / folder[3:] if case.robust else LEVELS_FOLDER / folder) / case.name
            yield stem.with_suffix(".request"), case.request()
            yield stem.with_suffix(".golden"), reply


def hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hashes_of(name: str, by: str = "") -> tuple[str, dict[str, str]]:
    request = large.RULES[name]().request()
    return name, {"request": hash_of(request), "golden": hash_of(reply_to(request, by))}


def large_file(levels: Sequence[LevelCases], path: Path = LARGE_FILE, by: str = "") -> bytes:
    """The hashes of large cases: those of these levels computed, the others as they are in the file."""
    verbs = [level.verb.name for level in levels]
    asked = [name for name in large.RULES if name.partition("/")[0] in verbs]
    kept: dict[str, dict[str, str]] = json.loads(path.read_bytes()) if path.exists() else {}
    with ProcessPoolExecutor() as pool:
        kept |= dict(pool.map(partial(hashes_of, by=by), asked))
    return (json.dumps({name: kept[name] for name in large.RULES if name in kept}, indent=1) + "\n").encode()


def found_files(
    levels: Sequence[LevelCases], folder: Path = FOUND_FOLDER
) -> tuple[dict[Path, bytes], set[Path]]:
    """The golden traces that belong to what fuzzing found, with their content, and those that are there."""
    wanted: dict[Path, bytes] = {}
    present: set[Path] = set()
    for level in levels:
        for path in folder.glob(f"{level.verb.name}-*.request"):
            reply = golden_of(request_of(path.read_bytes()))
            wanted[path.with_suffix(".golden")] = reply.text().encode()
        present |= {*folder.glob(f"{level.verb.name}-*.golden")}
    return wanted, present


def sums_file(made: dict[Path, bytes], stale: set[Path]) -> bytes:
    """The sums of all files of the suite: of those that are made now, and of the others as they lie there."""
    folders = (LEVELS_FOLDER, ROBUST_FOLDER, FOUND_FOLDER, command_line.FOLDER)
    lying = {path for folder in folders for path in folder.rglob("*.*") if path.is_file()} - stale
    files = {path: path.read_bytes() for path in lying - made.keys()} | made
    listed = {path: data for path, data in files.items() if path not in (SPEC, SUMS_FILE)}
    return sums.text_of((path.relative_to(HERE).as_posix(), data) for path, data in listed.items()).encode()


def spec_with_examples(spec: str, files: dict[Path, bytes]) -> str:
    """SPEC.md with its worked examples written again."""

    def example(match: re.Match[str]) -> str:
        verb = match[1]
        if verb == "checksum":
            doubles = " ".join(map(hexadecimal, CHECKSUM_EXAMPLE))
            text = f"the doubles  {doubles}\nthe checksum {checksum(CHECKSUM_EXAMPLE)}\n"
        else:
            [level] = [level for level in LEVELS if level.verb.name == verb]
            stem = LEVELS_FOLDER / level.verb.folder / "example"
            request, golden = (files[stem.with_suffix(kind)].decode() for kind in (".request", ".golden"))
            text = f"{request}\n{golden}"
        shown = "".join(shortened(line) + "\n" for line in text.splitlines())
        return f"<!-- example {verb} -->\n\n```text\n{shown}```\n<!-- end of example -->\n"

    return EXAMPLE.sub(example, spec)


def shortened(line: str) -> str:
    """A line of more than 30 words, such as the state of a generator, with its middle left out."""
    words = line.split(" ")
    return line if len(words) <= 30 else " ".join([*words[:5], "…", *words[-2:]])


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the requests and golden traces of the ladder.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything would change")
    parser.add_argument("--level", type=int, choices=range(1, 13), metavar="N", help="this level only")
    parser.add_argument(
        "--by", default="", metavar="PROGRAM", help="a port that conforms, to compute them faster"
    )
    parser.add_argument("--sums", action="store_true", help="write suite.sha256 alone, after a merge")
    arguments = parser.parse_args()
    if arguments.sums:
        SUMS_FILE.write_bytes(sums_file({LARGE_FILE: LARGE_FILE.read_bytes()}, set()))
        return 0

    levels = [level for level in LEVELS if arguments.level in (None, level.verb.number)]
    wanted: dict[Path, bytes] = {}
    for path, content in golden_files(levels, arguments.by):
        wanted[path] = content
        if sys.stderr.isatty():
            print(f"\r{len(wanted)} files", end="", file=sys.stderr)
    verbs = [level.verb for level in levels]
    folders = [path for verb in verbs for path in (LEVELS_FOLDER / verb.folder, ROBUST_FOLDER / verb.name)]
    present = {path for folder in folders for path in folder.glob("*")}
    found, found_present = found_files(levels)
    if "run" in [verb.name for verb in verbs]:
        found |= command_line.files()
        found_present |= {*command_line.FOLDER.iterdir()}
    stale = (present | found_present) - (wanted | found).keys()
    others = {path: path.read_bytes() for path in LEVELS_FOLDER.glob("*/example.*") if path not in wanted}
    spec = SPEC.read_text(encoding="utf-8")
    files = wanted | found | {SPEC: spec_with_examples(spec, wanted | others).encode()}
    files[LARGE_FILE] = large_file(levels, by=arguments.by)
    files[SUMS_FILE] = sums_file(files, stale)
    changed = [path for path, content in files.items() if not is_same(path, content)]
    differing = sorted({*stale, *changed})
    for path in differing[:SHOWN]:
        print(("would change " if arguments.check else "changed ") + str(path.relative_to(HERE.parent)))
    if len(differing) > SHOWN:
        print(f"... and {len(differing) - SHOWN} more")
    if arguments.check:
        return 1 if stale or changed else 0
    for path in stale:
        path.unlink()
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[path])
    size = sum(map(len, wanted.values()))
    print(f"{len(wanted) // 2} cases, {size / 1e6:.1f} MB, {len(changed) + len(stale)} files changed")
    return 0


def is_same(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() == content


if __name__ == "__main__":
    sys.exit(main())
