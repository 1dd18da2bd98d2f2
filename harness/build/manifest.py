"""Reads ports/<name>/port.yaml into a Manifest, or says which line and key is wrong and what would be right.

Not for building or running: images.py and runners.py do that with the Manifest.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import yaml

from harness import files, paths
from harness.build import plain_yaml
from harness.errors import ManifestError
from harness.run.limits import KIB, MIB, Limits, size
from harness.run.process import printable

PORT_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_NOT_SOURCE = (
    *("__pycache__", "node_modules", "dist-newstyle", "zig-out", "target"),
    *("*.o", "*.hi", "*.pyc", "*.class"),
)
"""What builds leave behind in a port's folder; hidden files and folders are left out too."""
MOST_SOURCE, MOST_FILES, MOST_DOCKERFILE = 64 * MIB, 10_000, 256 * KIB
"""Of one port: what is hashed, packed and shown."""
_SHOWN = 120  # characters of a wrong value in a sentence


@dataclass(frozen=True)
class Toolchain:
    """A compiler that comes as a wheel from PyPI. `path` is the folder in the wheel that goes on PATH."""

    pypi: str
    version: str
    sha256: tuple[str, ...]
    path: str = "."


@dataclass(frozen=True)
class Known:
    """A case that the port is known to fail, and must fail as long as it is listed."""

    case: str
    reason: str
    link: str


@dataclass(frozen=True)
class Manifest:
    """What port.yaml says. `folder` holds the port's files; `timeouts` are (limit's name, seconds) pairs,
    `soil` pairs of a key and what the port's author noted under it.

    `sources` are folders of other ports, whose files come in where the port has none of that name.
    """

    name: str
    language: str
    run: str
    folder: Path
    sources: tuple[Path, ...] = ()
    apt: tuple[str, ...] = ()
    build: str | None = None
    version: str | None = None
    agreement: str = "bit"
    engine: str = "graph"
    level: int = 12
    robust: bool = False
    command_line: bool = False
    slow: bool = False
    timeouts: tuple[tuple[str, float], ...] = ()
    toolchain: Toolchain | None = None
    known: tuple[Known, ...] = ()
    family: str | None = None
    soil: tuple[tuple[str, str], ...] = ()

    def limits(self, usual: Limits) -> Limits:
        """The usual limits with this port's own timeouts in place."""
        return Limits(**{**usual.__dict__, **dict(self.timeouts)})

    def own_dockerfile(self) -> str | None:
        """The text of the port's own Dockerfile, None without one. Raises ManifestError."""
        path = self.folder / "Dockerfile"
        return _text(path, _read(self.folder, path, MOST_DOCKERFILE)) if _is_there(path) else None

    def path(self, inside: PurePosixPath | str) -> Path:
        """Where one of the port's files lies: in its own folder, or else in that of one of its `sources`."""
        return self._origin(inside) / inside

    def read(self, inside: PurePosixPath | str) -> bytes:
        """One of the port's files. Raises ManifestError, for a link out of the folder or a pipe, too."""
        origin = self._origin(inside)
        return _read(origin, origin / inside, MOST_SOURCE)

    def _origin(self, inside: PurePosixPath | str) -> Path:
        return next((one for one in (self.folder, *self.sources) if _is_there(one / inside)), self.folder)

    def files(self) -> tuple[PurePosixPath, ...]:
        """The port's source files, relative to its folder and sorted: what is hashed and what builds get.

        port.yaml and Dockerfile are left out: a changed comment in them changes nothing that is built. Raises
        ManifestError for links that lead out, for names that cannot be shown, and for more than MOST_SOURCE.
        """
        found: set[PurePosixPath] = set()
        total = 0
        for folder, path in ((one, path) for one in (self.folder, *self.sources) for path in _walk(one)):
            inside = PurePosixPath(path.relative_to(folder).as_posix())
            if str(inside) in ("port.yaml", "Dockerfile") or inside in found:
                continue
            if not str(inside).isprintable():
                raise ManifestError(
                    f"{paths.shown(folder)} holds a file whose name cannot be shown, {str(inside)!a}; "
                    "names are printable UTF-8"
                )
            found.add(inside)
            total += _size(folder, path)
            if total > MOST_SOURCE or len(found) > MOST_FILES:
                raise ManifestError(
                    f"{paths.shown(self.folder)} holds more than a port may, {size(MOST_SOURCE)} "
                    f"in {MOST_FILES:,} files; with {inside} it has {size(total)} in {len(found):,}",
                    hint="move what is not source out of the folder, or into a hidden one",
                )
        return tuple(sorted(found))


def known_ports(ports: Path | None = None) -> tuple[str, ...]:
    """The names of all ports, sorted."""
    ports = ports or paths.ports_dir()
    return tuple(sorted(path.parent.name for path in ports.glob("*/port.yaml")))


def load(name: str, ports: Path | None = None) -> Manifest:
    """The manifest of a port of this repository. Raises ManifestError."""
    ports = ports or paths.ports_dir()
    known = known_ports(ports)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        guess = f"did you mean {close[0]!r}? " if close else ""
        listed = ", ".join(known) if known else "none yet"
        if PORT_NAME.fullmatch(name) and (ports / name).is_dir():
            raise ManifestError(
                f"{paths.shown(ports / name)} has no port.yaml", hint="write one like that of another port"
            )
        raise ManifestError(
            f"there is no port named {name!r}; {guess}known ports: {listed}", code="unknown-port"
        )
    return load_folder(ports / name)


def load_folder(folder: Path, name: str | None = None) -> Manifest:
    """The manifest in `folder`, whose name is the port's name if none is given. Raises ManifestError."""
    folder = folder.resolve()
    path = folder / "port.yaml"
    name = folder.name if name is None else name
    if not PORT_NAME.fullmatch(name):
        raise ManifestError(
            f"{name!r} is not a valid port name: expected lower-case letters, digits and hyphens, "
            "starting with a letter or digit",
            hint="with --path, --name names the port whatever its folder is called",
        )
    if not _is_there(path):
        raise ManifestError(f"{paths.shown(path)} is missing")
    data, lines = _parse(path, _text(path, _read(folder, path, plain_yaml.MOST_BYTES)))
    _check(path, data, lines)
    return _manifest(folder, name, data)


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _check_inside(folder: Path, path: Path) -> None:
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise ManifestError(
            f"{paths.shown(path.parent)}/{path.name} is a link that leads out of the port's folder; "
            "a port consists of what lies in its own folder"
        )


def _size(folder: Path, path: Path) -> int:
    """Bytes of a plain file. Raises ManifestError."""
    _check_inside(folder, path)
    if not path.is_file():
        raise ManifestError(f"{paths.shown(path.parent)}/{path.name} is no plain file")
    return path.stat().st_size


def _read(folder: Path, path: Path, most: int) -> bytes:
    """A file of the port in `folder`. Raises ManifestError."""
    try:
        _check_inside(folder, path)
        return files.read_whole(path, most)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        why = files.reason(error) if isinstance(error, OSError) else "its links lead in a circle"
        raise ManifestError(f"{paths.shown(path)} cannot be read: {why}") from None


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(
            f"{paths.shown(path)} is not UTF-8 text: byte {error.start + 1} is 0x{data[error.start]:02x}"
        ) from None


def _parse(path: Path, text: str) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """The YAML mapping and the line of every key in it, by the key's full path."""
    try:
        data, node = plain_yaml.parse(text)
    except plain_yaml.NotPlain as problem:
        where = f", line {problem.line}" if problem.line else ""
        raise ManifestError(f"{paths.shown(path)}{where}: {problem}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ManifestError(
            f"{paths.shown(path)} holds no 'key: value' lines; expected at least language and run"
        )
    return data, dict(_key_lines(path, node, ()))


def _key_lines(
    path: Path, node: yaml.MappingNode, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], int]]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = printable(str(key.value), _SHOWN), key.start_mark.line + 1
        if name in seen:
            raise ManifestError(
                f"{paths.shown(path)}, line {line}: the key '{name}' stands twice, first on line {seen[name]}"
            )
        seen[name] = line
        yield (*above, name), line
        if isinstance(value, yaml.MappingNode):
            yield from _key_lines(path, value, (*above, name))


@cache
def schema() -> dict[str, Any]:
    """The published JSON schema of port.yaml."""
    text = (Path(__file__).parent / "port.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda checker, value: type(value) is int
    ),
)
"""JSON takes 1.0 for an integer; here it is none."""


def _check(path: Path, data: dict[str, Any], lines: dict[tuple[str, ...], int]) -> None:
    wrong = dict(_unfit((), data))
    for error in _Validator(schema()).iter_errors(data):
        for key, sentence in _sentences(error):
            wrong.setdefault(key, sentence)
    if wrong:
        ordered = sorted((_line(key, lines), sentence) for key, sentence in wrong.items())
        raise ManifestError("\n".join(f"{paths.shown(path)}, line {line}: {text}" for line, text in ordered))


def _unfit(key: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Values that a JSON schema has no word for: text that cannot be shown, numbers that are none."""
    if isinstance(value, dict | list):
        for name, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _unfit((*key, printable(str(name), _SHOWN)), below)
    elif (isinstance(value, str) and not value.isprintable()) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        yield key, _not_as_expected(key, value)


def _key(error: jsonschema.ValidationError) -> tuple[str, ...]:
    return tuple(printable(str(part), _SHOWN) for part in error.absolute_path)


def _line(key: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> int:
    """The line of a key, or of the nearest key above it; 1 for the file as a whole."""
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 1)


def _sentences(error: jsonschema.ValidationError) -> Iterator[tuple[tuple[str, ...], str]]:
    """One (key's path, sentence) for each thing that a schema error stands for."""
    key = _key(error)
    rule: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    came: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(rule["properties"])
        for unknown in sorted(printable(str(name), _SHOWN) for name in came if name not in known):
            close = difflib.get_close_matches(unknown, known, n=1)
            right = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}"
            yield (*key, unknown), f"there is no key '{'.'.join((*key, unknown))}'; {right}"
    elif error.validator == "required":
        for missing in rule["required"]:
            if missing not in came:
                expected = rule["properties"][missing]["description"]
                yield key, f"the key '{'.'.join((*key, missing))}' is missing: {expected}"
    else:
        guessed = error.validator == "type" and error.validator_value == "string"
        quotes = " (YAML takes this for something else than text: put it in quotes)" if guessed else ""
        yield key, _not_as_expected(key, came) + quotes


def _not_as_expected(key: tuple[str, ...], came: Any) -> str:
    name = ".".join(part for part in key if not part.isdigit())
    shown = printable(json.dumps(came, default=str, ensure_ascii=False), _SHOWN)
    return f"'{name}' is {shown}, expected {_description(key)}"


def _description(key: tuple[str, ...]) -> str:
    """What the schema says about a key, or about the nearest key above it that is described."""
    rule, text = schema(), ""
    for part in key:
        rule = rule.get("properties", {}).get(part) or rule.get("items", {})
        text = rule.get("description", text)
    return text


def _manifest(folder: Path, name: str, data: dict[str, Any]) -> Manifest:
    toolchain = data.get("toolchain")
    if toolchain is not None:
        hashes = toolchain["sha256"]
        toolchain = Toolchain(
            pypi=toolchain["pypi"],
            version=toolchain["version"],
            sha256=(hashes,) if isinstance(hashes, str) else tuple(hashes),
            path=toolchain.get("path", "."),
        )
        if (folder / "toolchain").exists():
            raise ManifestError(
                f"{paths.shown(folder / 'toolchain')} is in the way: "
                "the toolchain from PyPI is unpacked under that name"
            )
    return Manifest(
        name=name,
        language=data["language"],
        run=data["run"],
        folder=folder,
        sources=tuple(_other_port(folder, other) for other in data.get("sources", ())),
        apt=tuple(data.get("apt", ())),
        build=data.get("build"),
        version=data.get("version"),
        agreement=data.get("agreement", "bit"),
        engine=data.get("engine", "graph"),
        level=data.get("level", 12),
        robust=data.get("robust", False),
        command_line=data.get("command_line", False),
        slow=data.get("slow", False),
        timeouts=tuple(sorted(data.get("timeouts", {}).items())),
        toolchain=toolchain,
        known=tuple(Known(**entry) for entry in data.get("known", ())),
        family=data.get("family"),
        soil=tuple(data.get("soil", {}).items()),
    )


def _other_port(folder: Path, name: str) -> Path:
    """The folder of a port beside this one. Raises ManifestError."""
    other = folder.parent / name
    if other == folder or not _is_there(other / "port.yaml"):
        raise ManifestError(
            f"{paths.shown(folder / 'port.yaml')}: 'sources' names {name!r}, "
            f"expected another port in {paths.shown(folder.parent)}"
        )
    return other


def _walk(folder: Path) -> Iterator[Path]:
    try:
        listed = sorted(folder.iterdir())
    except OSError as error:
        raise ManifestError(f"{paths.shown(folder)} cannot be read: {files.reason(error)}") from None
    for path in listed:
        if path.name.startswith(".") or any(path.match(pattern) for pattern in _NOT_SOURCE):
            continue
        if path.is_dir():
            if not path.is_symlink():
                yield from _walk(path)
        else:
            yield path
