"""The protocol: doubles in and out, checksums, counts and order of lines."""

from harness.explain.mutants.mutant import Edit, Mutant

WRITE = '    return struct.pack(f">{len(quiet)}d", *quiet).hex(" ", 8)\n'
READ = '    number: float = struct.unpack(">d", bytes.fromhex(word))[0]\n'
START = "    a, b = 1, 0\n"
HALVES = "        for half in (pattern >> 32, pattern & 0xFFFFFFFF):\n"
FIRST = "            a = (a + half) % CHECKSUM_MODULUS\n"
SECOND = "            b = (b + a) % CHECKSUM_MODULUS\n"
RESULT = '    return f"{a:08x} {b:08x}"\n'
MODULUS = "CHECKSUM_MODULUS = 4294967291"


def written(word: str) -> Edit:
    """Each double x that is written becomes the text of this expression."""
    return Edit("wire", WRITE, f'    return " ".join({word} for x in numbers)\n')


MUTANTS = [
    Mutant(
        "checksum-modulo-2-to-the-32",
        "the checksum is taken modulo 2^32",
        "Unsigned integers wrap by themselves.",
        (Edit("wire", MODULUS, "CHECKSUM_MODULUS = 4294967296"),),
    ),
    Mutant(
        "checksum-modulo-65521",
        "the checksum is Adler's, modulo 65521",
        "Adler-32 is the well-known one.",
        (Edit("wire", MODULUS, "CHECKSUM_MODULUS = 65521"),),
    ),
    Mutant(
        "checksum-from-zero",
        "the checksum's first sum starts at 0",
        "Sums start at 0.",
        (Edit("wire", START, "    a, b = 0, 0\n"),),
    ),
    Mutant(
        "checksum-low-half-first",
        "the checksum takes the low half of a double first",
        "Memory order on little-endian machines.",
        (Edit("wire", HALVES, "        for half in (pattern & 0xFFFFFFFF, pattern >> 32):\n"),),
    ),
    Mutant(
        "checksum-second-sum-first",
        "the checksum adds up the second sum before the first",
        "Two lines exchanged.",
        (Edit("wire", FIRST + SECOND, SECOND + FIRST),),
    ),
    Mutant(
        "checksum-words-exchanged",
        "the checksum's words are written the other way round",
        "Adler-32 writes its second sum first.",
        (Edit("wire", RESULT, '    return f"{b:08x} {a:08x}"\n'),),
    ),
    Mutant(
        "checksum-of-high-halves",
        "the checksum sees only the high half of each double",
        "A cast to 32 bits.",
        (Edit("wire", HALVES, "        for half in (pattern >> 32,):\n"),),
    ),
    Mutant(
        "fifteen-digits-out",
        "results pass through 15 decimal digits",
        "%.15g, the default of many languages.",
        (written("f\"{bits(float(format(x, '.15g'))):016x}\""),),
        rounding=True,
    ),
    Mutant(
        "fifteen-digits-in",
        "inputs pass through 15 decimal digits",
        "Doubles are kept as text somewhere.",
        (Edit("wire", READ, READ + "    number = float(f'{number:.15g}')\n"),),
        rounding=True,
    ),
    Mutant(
        "six-digits-out",
        "results pass through six decimal digits",
        "%g and to_string.",
        (written("f\"{bits(float(format(x, '.6g'))):016x}\""),),
    ),
    Mutant(
        "minus-zero-lost-out",
        "-0 is written as 0",
        "Normalising zero, or adding 0.0 to it.",
        (written('f"{bits(x + 0.0):016x}"'),),
    ),
    Mutant(
        "minus-zero-lost-in",
        "-0 is read as 0",
        "A reader that makes a number and then gives it its sign.",
        (Edit("wire", READ, READ + "    number = number + 0.0\n"),),
    ),
    Mutant(
        "halves-exchanged",
        "the two halves of a double are exchanged when it is written",
        "Two 32-bit views of one buffer on a little-endian machine.",
        (written('f"{bits(x) & 0xFFFFFFFF:08x}{bits(x) >> 32:08x}"'),),
    ),
    Mutant(
        "leading-zeros-lost",
        "leading zeros of a double's digits are not written",
        "%x for %016x.",
        (written('f"{bits(x):x}"'),),
    ),
    Mutant(
        "upper-case-digits",
        "hex digits are written in upper case",
        "%X for %x.",
        (written('f"{bits(x):016X}"'),),
    ),
    Mutant(
        "greatest-integer-of-a-double",
        "doubles are read through a 53-bit integer",
        "A language whose only number is the double parses all 16 digits at once.",
        (
            Edit(
                "wire",
                READ,
                '    pattern = int(float(int(word, 16)))\n    number: float = struct.unpack(">d", (pattern & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big"))[0]\n',
            ),
        ),
    ),
    Mutant(
        "errors-are-answered",
        "a number out of range is accepted",
        "Checks are left for later.",
        (
            Edit(
                "wire", "    if not low <= int(word) <= high:\n", "    if not low <= int(word) <= high + 1:\n"
            ),
        ),
    ),
    Mutant(
        "trailing-lines-ignored",
        "lines after the last expected one are ignored",
        "Reading stops when everything is known.",
        (
            Edit(
                "wire",
                '        if self.next < len(self.lines):\n            raise BadRequest(f"expected the end',
                '        if False:\n            raise BadRequest(f"expected the end',
            ),
        ),
    ),
]
