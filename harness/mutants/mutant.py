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

import reference.conform
from harness.mutants import rounding
from harness.protocol import Reply, Request, parse_reply

MODULES = ("nativemath", "exactmath", "wire", "microgpt", "requests", "conform")  # each after what it imports
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
    changes = tuple(changes)
    modules: dict[str, ModuleType] = {}
    parent = ModuleType(PACKAGE)
    sys.modules[PACKAGE] = parent
    try:
        for name in MODULES:
            own = [change for change in changes if change.module == name]
            shared = name in ALONE and not own
            module = sys.modules[f"reference.{name}"] if shared else ModuleType(f"{PACKAGE}.{name}")
            sys.modules[f"{PACKAGE}.{name}"] = modules[name] = module
            setattr(parent, name, module)
            if not shared:
                module.__dict__.update({tool: getattr(rounding, tool) for tool in _TOOLS})
                exec(_compiled(name, tuple(own)), module.__dict__)
    finally:
        for name in (PACKAGE, *(f"{PACKAGE}.{name}" for name in MODULES)):
            sys.modules.pop(name, None)
    return _answering(modules["conform"])


_TOOLS = ("single", "flushed", "fused", "fused_pairs", "extended", "extended_sum")


def _answering(conform: ModuleType) -> Answer:
    def answer(request: Request) -> Reply:
        lines = request.text().split("\n")[:-2]
        try:
            reply = conform.answer(lines)
        except Exception as fault:  # whatever it is, a port would have crashed
            reply = [f"error {request.id} crashed:{type(fault).__name__}", "end"]
        return parse_reply("\n".join([*reply, ""]))

    return answer


@cache
def _compiled(name: str, changes: tuple[Change, ...]) -> CodeType:
    text = source(name)
    for change in changes:
        if isinstance(change, Edit):
            if text.count(change.old) != 1:
                raise EditFails(
                    f"{name}.py holds {text.count(change.old)} times, not once, the text {change.old!r}"
                )
            text = text.replace(change.old, change.new)
    tree = ast.parse(text.replace("from reference", f"from {PACKAGE}"))
    for change in changes:
        if isinstance(change, Rewrite):
            tree = ast.fix_missing_locations(rounding.Throughout(change.operation).visit(tree))
    return compile(tree, f"{PACKAGE}/{name}.py", "exec")


@cache
def source(name: str) -> str:
    """The source of one of the reference's modules."""
    [folder] = reference.__path__
    return (Path(folder) / f"{name}.py").read_text(encoding="utf-8")
