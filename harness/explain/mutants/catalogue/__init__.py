"""All mutants by area. To add one, write it into the list of its area; `make mutants` says who catches it."""

from __future__ import annotations

from dataclasses import replace

from harness.explain.mutants.catalogue import (
    adam,
    arithmetic,
    attention,
    autograd,
    formatting,
    functions,
    generator,
    loss,
    model,
    run,
    sampling,
    summation,
    tokenizer,
)
from harness.explain.mutants.mutant import Mutant

AREAS = {
    "arithmetic": arithmetic,
    "summation": summation,
    "exact functions": functions,
    "random numbers": generator,
    "tokenizer": tokenizer,
    "autograd": autograd,
    "model": model,
    "attention": attention,
    "loss": loss,
    "Adam and schedule": adam,
    "sampling": sampling,
    "a whole run": run,
    "protocol": formatting,
}

MUTANTS: tuple[Mutant, ...] = tuple(
    replace(mutant, area=area) for area, module in AREAS.items() for mutant in module.MUTANTS
)
