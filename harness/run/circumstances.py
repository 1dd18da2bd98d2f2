"""What surrounds a port and must not matter: locale, time zone, size of the stack, working directory."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from harness.run.limits import MIB, size

_FILE = '{{ [ -e {word} ] && there=$TMPDIR && set -- "$@" "$PWD/"{word}; }} || set -- "$@" {word}'
_WORD = 'set -- "$@" {word}'
_ARGUMENT = 'while [ "$given" -gt 0 ]; do set -- "$@" "$1" && shift && given=$((given - 1)); done'
"""They put at the end of the words: one that may name a file of the port, one that does not, arguments."""


@dataclass(frozen=True)
class Circumstances:
    """locale: LANG and LC_ALL. stack: limit in bytes, None for the machine's own. elsewhere: the working
    directory is not the port's folder.
    """

    locale: str = "C.UTF-8"
    timezone: str = ""
    stack: int | None = None
    elsewhere: bool = False

    def environment(self) -> dict[str, str]:
        zone = {"TZ": self.timezone} if self.timezone else {}
        return {"LANG": self.locale, "LC_ALL": self.locale, **zone}

    def script(self, run: str) -> str:
        """For sh, in the port's folder: starts it by the line `run` of its manifest, arguments after that.

        Elsewhere, a word that names a file gets its whole path; a command without one is left where it is.
        """
        if self.elsewhere and not set("$`*?[~") & set(run):
            first, *others = shlex.split(run)
            words = [(first, "/" in first), *((word, not word.startswith("-")) for word in others)]
            lines = [
                (_FILE if is_file and word[:1] != "/" else _WORD).format(word=shlex.quote(word))
                for word, is_file in words
            ]
            return "\n".join(["given=$#", *lines, _ARGUMENT, 'cd "${there:-.}" && exec "$@"'])
        return f'exec {run} "$@"'

    def words(self) -> str:
        """As a person would set them."""
        zone = f", TZ={self.timezone}" if self.timezone else ""
        stack = f", stack {size(self.stack)}" if self.stack else ""
        folder = ", another working directory" if self.elsewhere else ""
        return f"LC_ALL={self.locale}{zone}{stack}{folder}"


USUAL = Circumstances()
OTHERS = (
    Circumstances("de_DE.UTF-8", "Asia/Kathmandu", MIB),
    Circumstances("C", "America/St_Johns", MIB, elsewhere=True),
)
"""A comma for decimals, no characters beyond ASCII, clocks that are off by quarters of an hour."""
