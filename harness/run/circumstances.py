"""What surrounds a port and must not matter: locale, time zone, the size of its stack."""

from __future__ import annotations

from dataclasses import dataclass

from harness.run.limits import MIB, size


@dataclass(frozen=True)
class Circumstances:
    """locale: LANG and LC_ALL, whether or not that locale is installed. stack: limit in bytes, None for the
    machine's own.
    """

    locale: str = "C.UTF-8"
    timezone: str = ""
    stack: int | None = None

    def environment(self) -> dict[str, str]:
        zone = {"TZ": self.timezone} if self.timezone else {}
        return {"LANG": self.locale, "LC_ALL": self.locale, **zone}

    def words(self) -> str:
        """As a person would set them."""
        zone = f", TZ={self.timezone}" if self.timezone else ""
        stack = f", stack {size(self.stack)}" if self.stack else ""
        return f"LC_ALL={self.locale}{zone}{stack}"


USUAL = Circumstances()
OTHERS = (
    Circumstances("de_DE.UTF-8", "Asia/Kathmandu", MIB),
    Circumstances("C", "America/St_Johns", MIB),
)
"""A comma for decimals, no characters beyond ASCII, clocks that are off by quarters of an hour."""
