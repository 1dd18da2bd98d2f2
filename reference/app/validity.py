"""Whether a made-up line is right: one function a check, from a line to yes or no.

An exact check says yes if and only if the line is right; a pattern only knows what lines look like.
"""

import keyword
import re
from collections.abc import Callable, Iterable

Check = Callable[[str], bool]

NUMERALS = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
    (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
LETTERS = "CDEFGAB"
SEMITONES = (0, 2, 4, 5, 7, 9, 11)
CHORD = re.compile(r"([A-G](?:bb|##|b|#)?)([^ :]+): ([A-G][b#]*(?: [A-G][b#]*)*)")
SMILES_ATOM = re.compile(
    r"\[[0-9]*(?:[A-Z][a-z]?|[bcnops]|se|as)@{0,2}(?:H[0-9]?)?(?:[+-]+[0-9]*)?\]|Cl|Br|[BCNOPSFI]|[bcnops]"
)
SMILES_BOND = re.compile(r"[-=#:/\\]")
SMILES_RING = re.compile(r"%[0-9]{2}|[0-9]")


def roman_numeral(number: int) -> str:
    """The standard form of a number from 1 to 3999."""
    text = ""
    for value, letters in NUMERALS:
        count, number = divmod(number, value)
        text += letters * count
    return text


def is_roman(line: str) -> bool:
    number, _, numeral = line.partition(" = ")
    if not re.fullmatch("[1-9][0-9]{0,3}", number) or int(number) > 3999:
        return False
    return numeral == roman_numeral(int(number))


def is_sum(line: str) -> bool:
    """Two numbers from 0 to 99 and their sum, none with a leading zero."""
    match = re.fullmatch(r"(0|[1-9][0-9]?)\+(0|[1-9][0-9]?)=(0|[1-9][0-9]{0,2})", line)
    return match is not None and int(match[1]) + int(match[2]) == int(match[3])


def is_balanced(line: str) -> bool:
    opened = []
    for character in line:
        if character in "([{":
            opened.append({"(": ")", "[": "]", "{": "}"}[character])
        elif not opened or opened.pop() != character:
            return False
    return bool(line) and not opened


def spelled(root: str, letters: int, semitones: int) -> str:
    """The note so many letters and semitones above the root: ("Eb", 2, 4) is G."""
    place = LETTERS.index(root[0])
    octave, letter = divmod(place + letters, 7)
    above = 12 * octave + SEMITONES[letter] - SEMITONES[place]
    accidentals = semitones + root.count("#") - root.count("b") - above
    return LETTERS[letter] + ("#" * accidentals if accidentals > 0 else "b" * -accidentals)


def chord_checker(lines: Iterable[str]) -> Check:
    """Recomputes the notes from root and type. How a type is built is read off its chord on C."""
    types: dict[str, list[tuple[int, int]]] = {}
    for line in lines:
        match = CHORD.fullmatch(line)
        if match and match[1] == "C":
            notes, rise = match[3].split(), [0]
            for below, above in zip(notes, notes[1:], strict=False):
                step = (LETTERS.index(above[0]) - LETTERS.index(below[0])) % 7
                rise.append(rise[-1] + step)
            types[match[2]] = [
                (step, pitch(note) + 12 * (step // 7)) for step, note in zip(rise, notes, strict=True)
            ]

    def check(line: str) -> bool:
        match = CHORD.fullmatch(line)
        if match is None or match[2] not in types:
            return False
        return match[3].split() == [spelled(match[1], *interval) for interval in types[match[2]]]

    return check


def pitch(note: str) -> int:
    """Semitones above the C below, without octaves: Cb is -1."""
    return SEMITONES[LETTERS.index(note[0])] + note.count("#") - note.count("b")


def is_smiles(line: str) -> bool:
    """The syntax of one molecule (OpenSMILES): atoms, bonds, branches and closed rings. Not valences."""
    at, depth, rings, after_atom, bond = 0, 0, set[str](), False, False
    while at < len(line):
        atom = SMILES_ATOM.match(line, at)
        ring = SMILES_RING.match(line, at)
        if atom:
            at, after_atom, bond = atom.end(), True, False
        elif ring and after_atom:
            rings ^= {ring[0].removeprefix("%").lstrip("0")}
            at, bond = ring.end(), False
        elif SMILES_BOND.match(line, at) and (after_atom or line[at - 1] == "(") and not bond and at:
            at, after_atom, bond = at + 1, False, True
        elif line[at] == "(" and after_atom:
            at, depth, after_atom = at + 1, depth + 1, False
        elif line[at] == ")" and after_atom and depth:
            at, depth = at + 1, depth - 1
        else:
            return False
    return after_atom and depth == 0 and not rings


def pattern(expression: str) -> Check:
    compiled = re.compile(expression)
    return lambda line: compiled.fullmatch(line) is not None


def is_variable(line: str) -> bool:
    return bool(re.fullmatch(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*", line)) and not keyword.iskeyword(line)


CHECKS: dict[str, Check] = {
    "roman": is_roman,
    "sums": is_sum,
    "parens": is_balanced,
    "smiles": is_smiles,
    "hexcolors": pattern("#[0-9a-f]{6}"),
    "variables": is_variable,
    "names": pattern("[a-z]{2,13}"),
    "words": pattern("(?=.*[aeiouy])[a-z]{3,14}"),
    "colors": pattern("[A-Z][A-Za-z'-]*( [A-Za-z][A-Za-z'-]*)*"),
    "kana": pattern("[ぁ-ゖ][ぁ-ゖー]{2,7}"),
    "towns": pattern("[A-Z][a-z']*([ -][A-Za-z][a-z']*)*"),
    "communes": pattern("[A-ZÀ-ÖØ-ÞŒ][a-zà-öø-ÿœ']*([ '-]+[A-Za-zÀ-ÖØ-öø-ÿŒœ]+)*"),
    "mime": pattern(r"[a-z]+/[a-z0-9]+([.+_-][a-z0-9]+)*"),
    "languages": pattern(r"[A-Za-z0-9][ -~]*"),
    "timezones": pattern(r"[A-Z][A-Za-z]+(/[A-Z][A-Za-z]*([_-][A-Za-z]+)*)+|Etc/GMT[+-]?[0-9]{1,2}"),
    "commits": pattern(r"[A-Za-z0-9_./-]{2,24}: [ -~]{4,60}"),
}
