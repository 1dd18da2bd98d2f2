"""Samples where all would take minutes: chosen by a hash of the suite, so that they change as it does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from conformance import ladder

T = TypeVar("T")
SUITE = ladder.content_hash(ladder.levels())


def sample(number: int, items: Iterable[T], name: Callable[[T], object] = repr) -> list[T]:
    """So many of the items, all if there are no more. `name` tells them apart."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{SUITE} {name(item)}".encode()).digest())[:number]
