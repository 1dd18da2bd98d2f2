"""exp, log, sin, cos and pow that are not correctly rounded, or wrong."""

from harness.explain.mutants.mutant import Edit, Mutant

NAMES = ("exp", "log", "sin", "cos", "pow")
UP = """

def one_up(function):
    def moved(*arguments):
        result = function(*arguments)
        return math.nextafter(result, inf) if math.isfinite(result) and result != round(result) else result

    return moved
"""
LIBM = {
    "exp": "the C library's exp",
    "log": "the C library's log",
    "sin": "the C library's sin",
    "cos": "the C library's cos",
    "pow": "the C library's pow",
}
EXP = "        return _round(_exp, x)\n"
LOG = "        return 0.0 if x == 1.0 else _round(_log, x)\n"
SIN = "    return _round(_sin, x) if x == x else nan\n"
COS = "    return _round(_cos, x) if x == x else nan\n"
POW = "        magnitude = _round(_pow, abs(x), int(2.0 * y))\n"


def _end(text: str) -> tuple[Edit, ...]:
    """Put `text` behind the last line of the module."""
    last = "    return result, result + error, exponent\n"
    return (Edit("exactmath", last, last + text),)


MUTANTS = [
    *(
        Mutant(
            f"library-{name}",
            f"{name} is {LIBM[name]}",
            "It is the function everybody calls; on random inputs it is wrong in one of some hundreds of results.",
            _end(
                f"\n\nfrom reference import nativemath as _native  # noqa: E402\n\n{name} = _native.{name}\n"
            ),
            rounding=True,
        )
        for name in NAMES
    ),
    *(
        Mutant(
            f"{name}-one-ulp-up",
            f"{name} is one ulp too great",
            "A polynomial whose last coefficient is rounded badly.",
            _end(f"{UP}\n{name} = one_up({name})\n"),
            rounding=True,
        )
        for name in NAMES
    ),
    Mutant(
        "truncating-functions",
        "the exact functions round towards zero",
        "Shifting the extra bits away is easier than rounding.",
        (
            Edit(
                "exactmath",
                "        n = n + (1 << surplus - 1) - 1 + tie_breaker >> surplus\n",
                "        n = n >> surplus if n >= 0 else -(-n >> surplus)\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "ties-away",
        "the exact functions round ties away from zero",
        "Adding half and cutting is one line shorter than ties to even.",
        (Edit("exactmath", "- 1 + tie_breaker >> surplus", ">> surplus"),),
        rounding=True,
    ),
    Mutant(
        "subnormals-rounded-twice",
        "subnormal results are rounded to 53 bits first, and then again",
        "ldexp is trusted to round once.",
        (
            Edit(
                "exactmath",
                "min(max(length - 53, -1074 - exponent), length + 2)",
                "length - 53",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "exp-flushes-subnormals",
        "exp is 0 where its result is subnormal",
        "Assembling the exponent by a shift works for normal results only.",
        (Edit("exactmath", "    if -746.0 <= x <= 710.0:\n", "    if -708.3964185322641 <= x <= 710.0:\n"),),
    ),
    Mutant(
        "exp-overflows-early",
        "exp overflows above 709",
        "The round number that everybody remembers.",
        (Edit("exactmath", "    if -746.0 <= x <= 710.0:\n", "    if -746.0 <= x <= 709.0:\n"),),
    ),
    Mutant(
        "exp-by-power-of-two",
        "exp(x) is 2 to the x*log2(e)",
        "Processors offer exp2; the product is rounded before it.",
        (
            Edit(
                "exactmath",
                EXP,
                "        return math.pow(2.0, x * 1.4426950408889634) if x < 709.0 else _round(_exp, x)\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "exp-by-power-of-e",
        "exp(x) is pow(e, x), with e a double",
        "A language with ** and no exp.",
        (
            Edit(
                "exactmath",
                EXP,
                "        return math.pow(2.718281828459045, x) if x < 709.0 else _round(_exp, x)\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "exp-coarse-reduction",
        "exp reduces its argument by multiples of a double ln 2",
        "One constant where two or three are needed.",
        (
            Edit(
                "exactmath",
                EXP,
                "        k = math.floor(x / 0.6931471805599453 + 0.5)\n"
                "        r = x - k * 0.6931471805599453\n"
                "        return math.ldexp(_round(_exp, r), k) if abs(r) > 1e-9 and x < 709.0 else _round(_exp, x)\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "log-by-log2",
        "log(x) is log2(x) times ln 2",
        "Processors offer log2.",
        (Edit("exactmath", LOG, "        return math.log2(x) * 0.6931471805599453\n"),),
        rounding=True,
    ),
    Mutant(
        "log-by-log10",
        "log(x) is log10(x) divided by log10(e)",
        "Languages with one logarithm have that of base ten.",
        (Edit("exactmath", LOG, "        return math.log10(x) / 0.4342944819032518\n"),),
        rounding=True,
    ),
    Mutant(
        "log-of-subnormals",
        "log takes subnormal numbers as if they were normal",
        "The exponent is read from the bits, and subnormals have none.",
        (
            Edit(
                "exactmath",
                LOG,
                "        return 0.0 if x == 1.0 else _round(_log, x if x >= 2.0**-1022 else x + 2.0**-1022)\n",
            ),
        ),
    ),
    Mutant(
        "log-of-minus-zero",
        "log(-0) is NaN",
        "A test of the sign bit comes before the test for zero.",
        (
            Edit(
                "exactmath",
                "    if x == 0.0:\n        return -inf\n",
                "    if x == 0.0 and math.copysign(1.0, x) > 0.0:\n        return -inf\n",
            ),
        ),
    ),
    Mutant(
        "log-clamped",
        "log takes at least 1e-12",
        "A guard against log(0), copied from elsewhere.",
        (Edit("exactmath", LOG, "        return 0.0 if x == 1.0 else _round(_log, max(x, 1e-12))\n"),),
    ),
    Mutant(
        "coarse-angle-reduction",
        "sin and cos reduce their argument by multiples of a double pi/2",
        "M_PI_2 has 53 bits, and cancellation eats them.",
        (
            Edit("exactmath", SIN, "    return _reduced(x, 0) if x == x else nan\n"),
            Edit(
                "exactmath",
                COS,
                "    return _reduced(x, 1) if x == x else nan\n\n\n"
                "def _reduced(x, quarters):\n"
                "    q = math.floor(x / 1.5707963267948966 + 0.5)\n"
                "    r = x - q * 1.5707963267948966\n"
                "    quadrant = (q + quarters) % 4\n"
                "    value = math.cos(r) if quadrant % 2 else math.sin(r)\n"
                "    return -value if quadrant >= 2 else value\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "cos-by-sin",
        "cos(x) is sin(x + pi/2)",
        "A language with sin only.",
        (
            Edit(
                "exactmath",
                COS,
                "    y = x + 1.5707963267948966\n"
                "    return _round(_sin, y) if 0.0 != y <= 8.0 else _round(_cos, x) if x == x else nan\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "sin-of-the-wrong-quadrant",
        "sin ignores the sign of its argument",
        "Reduction by the absolute value without giving the sign back.",
        (Edit("exactmath", "    n = n if x > 0.0 else -n\n", ""),),
    ),
    Mutant(
        "pow-by-exp-and-log",
        "pow(x, y) is exp(y * log(x))",
        "The textbook formula loses the bits of y*log(x)'s rounding.",
        (Edit("exactmath", POW, "        magnitude = exp(y * log(abs(x)))\n"),),
        rounding=True,
    ),
    Mutant(
        "pow-by-repeated-multiplication",
        "whole powers are repeated products",
        "A loop is the obvious way, and it rounds at each turn.",
        (
            Edit(
                "exactmath",
                POW,
                "        if y % 1.0 == 0.0:\n"
                "            magnitude = 1.0\n"
                "            for _ in range(int(abs(y))):\n"
                "                magnitude *= abs(x)\n"
                "            magnitude = magnitude if y > 0.0 else 1.0 / magnitude if magnitude else inf\n"
                "        else:\n"
                "            magnitude = _round(_pow, abs(x), int(2.0 * y))\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "inverse-root-by-sqrt",
        "pow(x, -0.5) is 1 / sqrt(x)",
        "Two roundings in place of one.",
        (
            Edit(
                "exactmath",
                POW,
                "        magnitude = 1.0 / math.sqrt(abs(x)) if y == -0.5 else _round(_pow, abs(x), int(2.0 * y))\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "inverse-by-exp-and-log",
        "pow(x, -1) is exp(-log(x))",
        "One general formula for all exponents.",
        (
            Edit(
                "exactmath",
                "        return 1.0 / x\n",
                "        return math.copysign(exp(-log(abs(x))), x)\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "pow-half-is-sqrt",
        "pow(x, 0.5) is sqrt(x) for every x",
        "They differ at -0 and at minus infinity only.",
        (
            Edit(
                "exactmath",
                "    if y == 0.5 and x > 0.0:\n        return math.sqrt(x)\n",
                "    if y == 0.5:\n        return math.sqrt(x) if x >= 0.0 else nan\n",
            ),
        ),
    ),
    Mutant(
        "pow-loses-the-sign",
        "odd powers of negative numbers are positive",
        "exp(y * log|x|) knows no sign.",
        (
            Edit(
                "exactmath",
                "    return math.copysign(magnitude, x) if odd else magnitude\n",
                "    return magnitude\n",
            ),
        ),
    ),
    Mutant(
        "pow-of-nan",
        "pow(NaN, 0) is NaN",
        "NaN in, NaN out seems obvious; IEEE 754 has it otherwise.",
        (
            Edit(
                "exactmath",
                "    if y == 0.0 or x == 1.0:\n",
                "    if y == 0.0 and x != x:\n        return nan\n    if y == 0.0 or x == 1.0:\n",
            ),
        ),
    ),
    Mutant(
        "zero-to-a-negative-power",
        "a negative power of zero is 0",
        "A guard against dividing by zero.",
        (
            Edit(
                "exactmath",
                "        magnitude = 0.0 if (x == 0.0) == (y > 0.0) else inf\n",
                "        magnitude = 0.0 if x == 0.0 or y < 0.0 else inf\n",
            ),
        ),
    ),
]
