"""What a mutant is, and how it is made: the reference's own source with a few lines replaced.

A mutant answers requests like any port. It is loaded beside the reference, in modules of its own, so that the
reference stays as it is.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType

import reference.protocol.replies
from conformance.messages import Reply, Request, parse_reply
from harness.explain.mutants import rounding

MODULES = {  # a short name for each module of the reference, each after what it imports
    "nativemath": "nativemath",
    "exactmath": "exactmath",
    "wire": "protocol.wire",
    "microgpt": "microgpt",
    "requests": "protocol.requests",
    "replies": "protocol.replies",
}
ALONE = ("nativemath", "exactmath", "wire")  # these import none of the others: shared unless they are edited
PACKAGE = "mutant"


@dataclass(frozen=True)
class Edit:
    """`old`, which occurs once in the module's source, becomes `new`."""

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Rewrite:
    """Every operation of a module becomes another one: which, is a key of rounding.THROUGHOUT."""

    module: str
    operation: str


Change = Edit | Rewrite


@dataclass(frozen=True)
class Mutant:
    """One plausible mistake.

    what: ends the sentence "this is what you get when ...". why: why people make it. rounding: whether it
    only moves results by rounding, so that a judge who allows for that cannot see it.
    """

    name: str
    what: str
    why: str
    changes: tuple[Change, ...]
    rounding: bool = False
    area: str = ""


class EditFails(Exception):
    """The text that a mutant replaces is not in the reference, or not once."""


Answer = Callable[[Request], Reply]


def load(changes: Iterable[Change]) -> Answer:
    """The reference with these changes, as a function from request to reply.

    A program that would have crashed gives the reply `error` with the reason `crashed`. Raises EditFails.
    """
    return _answering(load_modules(changes)["replies"])


def load_modules(changes: Iterable[Change]) -> dict[str, ModuleType]:
    """The reference's modules with these changes, by name, beside the reference's own. Raises EditFails."""
    changes = tuple(changes)
    modules: dict[str, ModuleType] = {}
    packages = {PACKAGE: ModuleType(PACKAGE), f"{PACKAGE}.protocol": ModuleType(f"{PACKAGE}.protocol")}
    sys.modules.update(packages)
    try:
        for name, path in MODULES.items():
            own = [change for change in changes if change.module == name]
            shared = name in ALONE and not own
            module = sys.modules[f"reference.{path}"] if shared else ModuleType(f"{PACKAGE}.{path}")
            sys.modules[f"{PACKAGE}.{path}"] = modules[name] = module
            setattr(packages[f"{PACKAGE}.{path}".rpartition(".")[0]], name, module)
            if not shared:
                module.__dict__.update({tool: getattr(rounding, tool) for tool in _TOOLS})
                exec(_compiled(name, tuple(own)), module.__dict__)
    finally:
        for name in (*packages, *(f"{PACKAGE}.{path}" for path in MODULES.values())):
            sys.modules.pop(name, None)
    return modules


_TOOLS = ("single", "flushed", "fused", "fused_pairs", "extended", "extended_sum")


def _answering(replies: ModuleType) -> Answer:
    def answer(request: Request) -> Reply:
        lines = request.text().split("\n")[:-2]
        try:
            reply = replies.answer(lines)
        except Exception as fault:  # whatever it is, a port would have crashed
            reply = [f"error {request.id} crashed:{type(fault).__name__}", "end"]
        return parse_reply("\n".join([*reply, ""]))

    return answer


def edited(name: str, changes: Iterable[Change]) -> str:
    """The source of a module with the edits among these changes. Raises EditFails."""
    text = source(name)
    for change in changes:
        if isinstance(change, Edit) and change.module == name:
            if text.count(change.old) != 1:
                raise EditFails(
                    f"{name}.py holds {text.count(change.old)} times, not once, the text {change.old!r}"
                )
            text = text.replace(change.old, change.new)
    return text


@cache
def _compiled(name: str, changes: tuple[Change, ...]) -> CodeType:
    text = edited(name, changes)
    tree = ast.parse(text.replace("from reference", f"from {PACKAGE}"))
    for change in changes:
        if isinstance(change, Rewrite):
            tree = ast.fix_missing_locations(rounding.Throughout(change.operation).visit(tree))
    return compile(tree, f"{PACKAGE}/{name}.py", "exec")


@cache
def source(name: str) -> str:
    """The source of one of the reference's modules."""
    [folder] = reference.__path__
    return (Path(folder) / f"{MODULES[name].replace('.', '/')}.py").read_text(encoding="utf-8")
