"""What machine this is, for records and measurements."""

from __future__ import annotations

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_OF_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}
"""The flags of a processor that runs programs for x86-64-v3, in /proc/cpuinfo."""


def processor() -> str:
    """The processor's name as the system tells it."""
    return _of_the_first("model name") or platform.processor() or "unknown"


def is_x86_64_v3() -> bool:
    """Whether this machine runs programs for x86-64-v3, which fuse x*y + z if their compiler may."""
    return platform.machine() == "x86_64" and set(_of_the_first("flags").split()) >= _OF_V3


def _of_the_first(key: str) -> str:
    """What the system says of its first processor under a key; '' if it does not."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")
