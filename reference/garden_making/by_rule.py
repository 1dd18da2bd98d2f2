"""Datasets that have no source but a rule: every line of them is right by construction."""

from reference.app.validity import roman_numeral
from reference.garden_making.choose import sample
from reference.microgpt import Generator

PAIRS = (("(", ")"), ("[", "]"), ("{", "}"))


def roman() -> list[str]:
    return [f"{number} = {roman_numeral(number)}" for number in range(1, 4000)]


def sums() -> list[str]:
    """3,000 of the 10,000 additions of two numbers from 0 to 99."""
    return sample("sums", [f"{a}+{b}={a + b}" for a in range(100) for b in range(100)], 3000)


def parens() -> list[str]:
    """4,000 different texts of 1 to 12 pairs. At each place a pair opens or the innermost one closes."""
    generator = Generator(1)
    made: dict[str, None] = {}
    while len(made) < 4000:
        to_open, closing, text = 1 + int(generator.random() * 12), "", ""
        while to_open or closing:
            if to_open and (not closing or generator.random() < 0.5):
                left, right = PAIRS[int(generator.random() * 3)]
                text, closing, to_open = text + left, right + closing, to_open - 1
            else:
                text, closing = text + closing[0], closing[1:]
        made[text] = None
    return sorted(made)
