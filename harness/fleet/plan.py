"""From the files that changed to the ports that must be judged, in groups of about the same length.

ports/<name>/...                       that port, and those that take files from it
README.md, results/, tests/, *.md ...  none
anything else                          all: harness, reference, suite, and requests that nobody wrote
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from conformance import ladder
from harness.build import manifest
from harness.build.sources import source_hash
from harness.errors import MachineFault, ManifestError
from harness.fleet.key import code_hash
from harness.report import store

HARMLESS = ("*.md", "LICENSE", "results/*", "tests/*", ".gitignore", "docs/*")
"""Files that no verdict depends on. An asterisk stands for slashes, too."""
MOST_JOBS = 256
"""GitHub starts no more from one matrix."""
USUAL_SECONDS = 60.0
"""For a port that has no record yet."""


@dataclass(frozen=True)
class Plan:
    """Ports to judge, the changed ones first, and why."""

    ports: tuple[str, ...]
    reason: str


def everything(known: Sequence[str], reason: str, first: Sequence[str] = ()) -> Plan:
    return Plan((*first, *(name for name in known if name not in first)), reason)


def plan(
    known: Sequence[str], changed: Iterable[str], taken: Mapping[str, Collection[str]] | None = None
) -> Plan:
    """`known` are the names of all ports, `changed` paths relative to the repository's root, `taken` for each
    port those from which it takes files.
    """
    touched: set[str] = set()
    core: list[str] = []
    for path in changed:
        parts = path.split("/")
        if parts[0] == "ports" and len(parts) > 2:
            touched.add(parts[1])
        elif not any(fnmatch(path, pattern) for pattern in HARMLESS):
            core.append(path)
    first = tuple(name for name in known if touched & {name, *(taken or {}).get(name, ())})
    if core:
        more = f" and {len(core) - 1} more" if len(core) > 1 else ""
        return everything(known, f"every port: {core[0]}{more} changed", first)
    if first:
        return Plan(first, "the ports that changed")
    return Plan((), "nothing that a verdict depends on has changed")


def taken_files(known: Iterable[str]) -> dict[str, set[str]]:
    """For each port the ports from which it takes files."""
    return {name: {folder.name for folder in manifest.load(name).sources} for name in known}


def sample(known: Sequence[str], number: int, commit: str) -> tuple[str, ...]:
    """So many ports, chosen by the commit: another choice for every commit, the same on every machine."""
    ordered = sorted(known, key=lambda name: hashlib.sha256(f"{commit} {name}".encode()).digest())
    return tuple(sorted(ordered[:number]))


def unfit(known: Sequence[str]) -> dict[str, str]:
    """The ports whose published record is not of the present port, suite and judging code, and why."""
    suite, code = ladder.content_hash(ladder.levels()), code_hash()
    found = {}
    for name in known:
        path = store.published() / f"{name}.json"
        try:
            record = store.read(path)
        except ManifestError as fault:
            found[name] = fault.message
            continue
        wanted = {"suite": suite, "judging code": code, "port": source_hash(manifest.load(name))}
        saved = {"suite": record.suite, "judging code": record.code, "port": record.source}
        changed = [what for what, digest in wanted.items() if saved[what] != digest]
        if changed:
            found[name] = f"its record is of another {' and '.join(changed)}"
    return found


def changed_files(since: str, root: Path) -> list[str] | None:
    """What differs between the point where HEAD left `since` and the working tree, new files included.

    None when git does not know `since`, as after a forced push. Raises MachineFault.
    """
    if since.startswith("-"):
        return None
    base = _git(root, "merge-base", since, "HEAD")
    if base is None:
        return None
    differing = _git(root, "diff", "--name-only", "--no-renames", "-z", base.strip(), "--")
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    if differing is None or untracked is None:
        raise MachineFault(f"git cannot compare {root} with {since}", hint="git status says what is wrong")
    return sorted({path for path in (differing + untracked).split("\0") if path})


def head_commit(root: Path) -> str:
    """The commit that is checked out; empty outside of a repository. Raises MachineFault without git."""
    return (_git(root, "rev-parse", "HEAD") or "").strip()


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, None if it fails. Raises MachineFault."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, timeout=60, text=True)
    except FileNotFoundError:
        raise MachineFault("the command 'git' is not installed", hint="apt-get install git") from None
    except subprocess.TimeoutExpired:
        raise MachineFault(f"git {arguments[0]} did not end within 60 s") from None
    return done.stdout if done.returncode == 0 else None


def shards(ports: Sequence[str], number: int, seconds: dict[str, float]) -> list[tuple[str, ...]]:
    """At most `number` groups: the longest port first, each to the group with the least to do.

    Within a group, and from group to group, the order of `ports` stays.
    """
    groups: list[list[str]] = [[] for _ in range(min(number, len(ports)))]
    if not groups:
        return []
    usual = sum(seconds.values()) / len(seconds) if seconds else USUAL_SECONDS
    load = [0.0] * len(groups)
    for name in sorted(ports, key=lambda name: -seconds.get(name, usual)):
        least = min(range(len(groups)), key=lambda i: (load[i], len(groups[i])))
        groups[least].append(name)
        load[least] += seconds.get(name, usual)
    ordered = [tuple(sorted(group, key=ports.index)) for group in groups]
    return sorted(ordered, key=lambda group: ports.index(group[0]))


def known_seconds(names: Iterable[str]) -> dict[str, float]:
    """What judging each port took the last time, where there is a record."""
    found = {name: store.newest(name) for name in names}
    return {name: record.seconds.total for name, record in found.items() if record is not None}
