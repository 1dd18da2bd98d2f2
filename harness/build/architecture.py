"""Another processor than this machine's: a port is built and run in containers for it, which QEMU emulates.

Why: what a compiler may do differs. For arm64 many fuse x*y + z into one rounding; for x86-64 few do.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

from harness.errors import MachineFault

SLOWER = 20
"""An emulated program takes up to so many times as long, and its limits allow for it."""
SIGNS = ("exec format error", "neither be executed natively nor via qemu")
"""What an engine and mmdebstrap say where programs for another processor do not run."""


@dataclass(frozen=True)
class Architecture:
    """name: Debian's word for it. machine: that of `uname -m`. base: Debian's image. wheel: PyPI's word."""

    name: str
    machine: str
    base: str
    wheel: str


_KNOWN = (
    Architecture("amd64", "x86_64", "amd64/debian:trixie-slim", "x86_64"),
    Architecture("arm64", "aarch64", "arm64v8/debian:trixie-slim", "aarch64"),
)
NAMES = tuple(known.name for known in _KNOWN)


def other(name: str | None) -> Architecture | None:
    """The architecture of this name; None if it is this machine's own, or none was named."""
    found = next((known for known in _KNOWN if known.name == name), None)
    own = platform.machine().replace("arm64", "aarch64")
    return None if found is None or found.machine == own else found


def debian_name(machine: str) -> str:
    """What Debian calls a machine that `uname -m` calls so."""
    return next((known.name for known in _KNOWN if known.machine == machine), machine)


def cannot_run(architecture: Architecture) -> MachineFault:
    return MachineFault(
        f"programs for {architecture.name} do not run on this machine",
        hint="sudo apt install qemu-user-static binfmt-support, which registers an emulator with the kernel",
        code="no-emulator",
    )
