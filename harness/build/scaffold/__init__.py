"""Begins a port: `conform new lua` writes ports/lua/ with a manifest and the skeleton of a source.

What is known of a language stands in languages.yaml, its skeleton in templates/<skeleton>.in. A language
without a skeleton gets an outline: the way of a port in comments. Nothing that exists is ever touched.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from conformance import verbs
from harness import paths
from harness.build import manifest
from harness.errors import MachineFault, ManifestError

FAMILIES = ("c-like", "script", "functional", "generic")
_TEMPLATES = Path(__file__).parent / "templates"
_COMMENTS = {"c-like": "//", "script": "#", "functional": "--", "generic": "#"}
_OPENING = re.compile(r"^(.*?)@opening@(.*)$", re.MULTILINE)
_INCLUDE = re.compile(r"^@include (\S+)@\n", re.MULTILINE)
_BEGUN = re.compile(r"@begun:([^|@]*)\|[^@]*@")
"""`@begun:now|then@` in a skeleton: `now` is written, `then` is what makes the begun verb arith answer."""


@dataclass(frozen=True)
class Language:
    """One row of languages.yaml. `comment` is a sign such as `//`, or two such as `(* *)` for both ends;
    `fusing` is a word of `build` and what to write after it, for a processor that fuses x*y + z.
    """

    name: str
    language: str
    extension: str
    comment: str
    run: str
    family: str
    aliases: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    build: str | None = None
    fusing: str | None = None
    version: str | None = None
    skeleton: str | None = None
    trap: str = ""
    toolchain: dict[str, Any] | None = None
    timeouts: dict[str, float] | None = None

    @property
    def contracted(self) -> str | None:
        """The build for a processor that fuses x*y + z; None where nobody asks for one."""
        if self.build is None or self.fusing is None:
            return None
        where, flag = self.fusing.split(" ", 1)
        return self.build.replace(where, f"{where} {flag}", 1)

    @property
    def source(self) -> str:
        return f"microgpt.{self.extension}"


@dataclass(frozen=True)
class Overrides:
    """What the command line says about the new port; None for whatever the table knows."""

    name: str | None = None
    apt: tuple[str, ...] | None = None
    build: str | None = None
    run: str | None = None
    version: str | None = None
    extension: str | None = None
    comment: str | None = None
    family: str | None = None


@dataclass(frozen=True)
class Begun:
    """A port that was begun. `outside` says that its folder is not below ports/."""

    folder: Path
    language: Language
    outside: bool


@cache
def languages() -> tuple[Language, ...]:
    """Every language of the table, in its order."""
    text = (Path(__file__).parent / "languages.yaml").read_text(encoding="utf-8")
    rows = yaml.safe_load(text)
    return tuple(_row(row) for row in rows)


def _row(row: dict[str, Any]) -> Language:
    fields: dict[str, Any] = dict(row)
    for key in ("aliases", "apt"):
        fields[key] = tuple(row.get(key, ()))
    return Language(**fields)


def find(text: str) -> Language | None:
    """The language with this name, alias or spelling, in upper or lower case."""
    wanted = text.strip().lower()
    for language in languages():
        if wanted in (language.name, language.language.lower(), *language.aliases):
            return language
    return None


def choose(text: str, overrides: Overrides) -> Language:
    """The language to begin a port in, with all overrides granted. Raises ManifestError."""
    known = find(text)
    if known is None and not (overrides.family and overrides.extension):
        raise ManifestError(_unknown(text), hint=_anyway(text), code="unknown-language")
    if overrides.family not in (None, *FAMILIES):
        raise ManifestError(f"there is no family {overrides.family!r}; expected {', '.join(FAMILIES)}")
    if overrides.extension is not None and not re.fullmatch(r"[A-Za-z0-9_+-]+", overrides.extension):
        raise ManifestError(f"{overrides.extension!r} is no file name's ending; expected one like 'lua'")
    if overrides.comment is not None and not 1 <= len(overrides.comment.split()) <= 2:
        raise ManifestError(
            f"{overrides.comment!r} begins no comment; expected a sign like '#', or two like '(* *)'"
        )
    if known is None:
        return _with_overrides(_invented(text, str(overrides.family), str(overrides.extension)), overrides)
    return _with_overrides(known if overrides.family is None else replace(known, skeleton=None), overrides)


def _invented(text: str, family: str, extension: str) -> Language:
    """A language that the table does not have: what its family suggests."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    run = f"{name} microgpt.{extension}" if family == "script" else "./microgpt"
    return Language(name, text, extension, _COMMENTS[family], run, family)


def _with_overrides(language: Language, overrides: Overrides) -> Language:
    """The language with these in place of what is known; another extension renames the source."""
    if overrides.extension is not None:
        old, new = re.escape(language.source), f"microgpt.{overrides.extension}"
        build = re.sub(rf"{old}\b", new, language.build) if language.build else None
        run = re.sub(rf"{old}\b", new, language.run)
        language = replace(language, extension=overrides.extension, build=build, run=run)
    if overrides.build is not None:
        language = replace(language, fusing=None)  # what it says of another command
    keys = ("apt", "build", "run", "version", "comment", "family")
    chosen: dict[str, Any] = {
        key: getattr(overrides, key) for key in keys if getattr(overrides, key) is not None
    }
    return replace(language, **chosen)


def _unknown(text: str) -> str:
    words = {word: row.name for row in languages() for word in (row.name, row.language.lower(), *row.aliases)}
    close = difflib.get_close_matches(text.strip().lower(), words, n=3, cutoff=0.6)
    names = list(dict.fromkeys(words[word] for word in close))
    guess = f"did you mean {' or '.join(names)}?" if names else "'conform new --list' names the known ones"
    return f"there is no language {text!r} in the table; {guess}"


def _anyway(text: str) -> str:
    return (
        f"for a port in it all the same: conform new {text!r} --family generic --extension x "
        "--apt PACKAGE --build COMMAND --run COMMAND"
    )


def begin(text: str, overrides: Overrides, into: Path | None = None) -> Begun:
    """Write the folder of a new port in the language `text`, or nothing. Raises ManifestError."""
    language = choose(text, overrides)
    name = overrides.name if overrides.name is not None else language.name
    parent = into or paths.ports_dir()
    folder = parent / name
    if not manifest.PORT_NAME.fullmatch(name):
        raise ManifestError(
            f"{name!r} is not a valid port name: expected lower-case letters, digits and hyphens, "
            "starting with a letter or digit",
            hint="choose one with --name (make new-port: NAME=...)",
        )
    _refuse_existing(folder)
    if not parent.is_dir():
        raise ManifestError(f"{paths.shown(parent)} is no folder; a port's folder is made in it")
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".new-") as work:
            draft = Path(work) / name
            draft.mkdir()
            (draft / "port.yaml").write_text(manifest_text(language), encoding="utf-8")
            (draft / language.source).write_text(source_text(language, name), encoding="utf-8")
            _check(draft, folder)
            try:
                draft.rename(folder)
            except OSError:
                _refuse_existing(folder)
                raise
    except OSError as error:
        raise MachineFault(f"{paths.shown(folder)} cannot be written: {error.strerror}") from None
    return Begun(folder, language, outside=parent.resolve() != paths.ports_dir().resolve())


def _refuse_existing(folder: Path) -> None:
    if folder.exists() or folder.is_symlink():
        raise ManifestError(
            f"{paths.shown(folder)} exists already, and nothing in it was changed",
            hint="choose another name with --name (make new-port: NAME=...)",
            code="port-exists",
        )


def _check(draft: Path, folder: Path) -> None:
    """Raise ManifestError if a wish makes a manifest that the harness would refuse."""
    try:
        manifest.load_folder(draft)
    except ManifestError as error:
        message = error.message.replace(paths.shown(draft), paths.shown(folder))
        hint = "nothing was written; the options --apt, --build, --run and --version set these keys"
        raise ManifestError(message, hint=hint) from None


def manifest_text(language: Language) -> str:
    """The new port.yaml. It claims level 1, the one that skeletons reach."""
    keys: dict[str, Any] = {
        "language": language.language,
        "apt": list(language.apt),
        "toolchain": language.toolchain,
        "build": language.build,
        "contracted": language.contracted,
        "run": language.run,
        "version": language.version,
        "timeouts": language.timeouts,
        "level": 1,
    }
    return "".join(_yaml_line(key, value) for key, value in keys.items() if value)


def _yaml_line(key: str, value: Any) -> str:
    """`key: value` on one line, lists and mappings in brackets."""
    flow = isinstance(value, list | dict)
    style: dict[str, Any] = {
        "width": 10_000,
        "allow_unicode": True,
        "sort_keys": False,
        "default_flow_style": flow,
    }
    if flow:
        return f"{key}: {yaml.safe_dump(value, **style)}"
    return str(yaml.safe_dump({key: value}, **style))


def source_text(language: Language, name: str) -> str:
    """The source of the new port: the language's skeleton, or the family's outline in comments."""
    if language.skeleton is None:
        text = _commented(_template("outline"), language.comment)
    else:
        text = _template(language.skeleton)
    text = _OPENING.sub(lambda found: _opening(found[1], found[2], language), text)
    return _BEGUN.sub(r"\1", text).replace("@name@", name)


def _template(name: str) -> str:
    """A template with the parts that several languages share in place of `@include part@`."""
    text = (_TEMPLATES / f"{name}.in").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: _template(found[1]), text)


def _commented(text: str, comment: str) -> str:
    start, end = (*comment.split(), "")[:2]
    return "".join(f"{start} {line} {end}".rstrip() + "\n" for line in text.splitlines())


def _opening(before: str, after: str, language: Language) -> str:
    """What stands at the top of every source: what it is, and the ladder as a checklist."""
    begun = language.skeleton is not None
    lines = [f"The port @name@ of microgpt, in {language.language}: a beginning."]
    state = "It speaks the protocol and says hello." if begun else "It says nothing yet."
    lines += [f"{state} What it has to learn, one verb for each level, with the sections of"]
    lines += ["conformance/SPEC.md (conformance/GUIDE.md shows the way):", ""]
    for verb in verbs.VERBS:
        done = "x" if verb.name == "hello" and begun else " "
        lines.append(f"  [{done}] {verb.number:2} {verb.name:8}  {verb.lesson}")
    lines += ["", "When a verb is whole, raise `level` in port.yaml."]
    return "\n".join(f"{before}{line}{after}".rstrip() for line in lines)


def next_steps(begun: Begun) -> Sequence[str]:
    """What was written, and what to type next."""
    shown, name, language = paths.shown(begun.folder), begun.folder.name, begun.language
    state = (
        "builds, and answers hello: level 1"
        if language.skeleton
        else "an outline in comments, to be filled in"
    )
    lines = [f"wrote {shown}/port.yaml", f"wrote {shown}/{language.source}  ({state})", "", "next:"]
    if begun.outside:
        lines.append(f"  conform run --path {shown}")
    else:
        lines += [
            f"  make conform PORT={name}                   where it stands, and what comes next",
            f"  make try PORT={name} CASE=arith/example    one request, with both replies side by side",
            f"  make shell PORT={name}                     a shell with its toolchain",
        ]
    lines.append("  conformance/GUIDE.md is the way up, one level at a time")
    if language.skeleton is None and find(language.language) is None:
        lines += [
            "",
            f"check apt, build, run and version in {shown}/port.yaml: this language is not in the table",
        ]
    if language.trap:
        lines += ["", f"mind: {language.trap}"]
    return lines
