"""What usually is behind a first difference: a table from what is seen to what to look for.

A cause is a guess, and the report says so. The first row whose patterns fit is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.judge.compare import Difference


@dataclass(frozen=True)
class Cause:
    """`verb` and `checkpoint` are patterns; `ulps` is the greatest distance for which this is likely, None
    for any. `sign`: only for a zero of the other sign, which is no matter of rounding.
    """

    verb: str
    checkpoint: str
    ulps: int | None
    sentence: str
    section: str
    sign: bool = False


FUSED = (
    "The compiler fuses a * b + c into one rounding; forbid it (-ffp-contract=off in C, float64(a*b) in Go)"
)
ACCUMULATION = "Gradients are added in another order than the reverse of the depth-first post-order"
LEFT_OUT = "A 0 + x was left out: the sum starts at +0.0, and adding to +0.0 turns -0.0 into +0.0"
PUT_IN = "A 0 + x was put in where there is none, or -0.0 loses its sign when it is read or written"
FEW = 4
POWER = "An odd power of -0.0 keeps its sign, any other loses it; no memo may take one zero for the other"
RELU = "relu(-0.0) is +0.0: only a > 0 passes"
ZEROS = (
    Cause("graph", r"relu", None, RELU, "5", sign=True),
    Cause("forward", r"activated", None, RELU, "5", sign=True),
    Cause("math", r"pow", None, POWER, "2", sign=True),
    Cause("graph", r"pow", None, POWER, "2", sign=True),
    Cause("math", r"", None, "Each function has its own rule for -0.0, in the table", "2", sign=True),
)
CAUSES = (
    Cause(
        r"hello",
        r"name",
        None,
        "The name is that of the port's folder; for a folder outside ports/ name it with --name",
        "12, level 1",
    ),
    Cause(r"hello", r"", None, "The reply to hello has its own four lines, in order", "12, level 1"),
    Cause(
        r"arith",
        r"decimals .*\(nan\)",
        None,
        "NaN is not recognised: it is printed with a sign, or the build line tells the compiler that there "
        "is none (-ffast-math, -Ofast, -ffinite-math-only)",
        "2",
    ),
    Cause(
        r"arith",
        r"decimals",
        None,
        "Four decimals are rounded once from the exact value, ties to even; no float32, no shortest decimal",
        "10",
    ),
    *ZEROS,
    Cause(r"arith", r"muladd|dot", FEW, FUSED, "2"),
    Cause(
        r"arith",
        r"sum",
        None,
        "The sum is compensated, pairwise or in extended precision, or does not start at +0.0",
        "2",
    ),
    Cause(r"arith", r"sqrt", None, "The square root is a power (x^0.5), or is not correctly rounded", "2"),
    Cause(
        r"arith",
        r"add|sub|mul|div",
        FEW,
        "Results are rounded twice (x87 registers), or subnormals are flushed to zero",
        "2",
    ),
    Cause(
        r"math",
        r"pow",
        FEW,
        "The language's own pow is not correctly rounded, or 1/sqrt(x) and 1/(x*x) round twice",
        "15",
    ),
    Cause(
        r"math",
        r"",
        FEW,
        "Close but not correctly rounded: the language's own function, or one of too little precision",
        "15",
    ),
    Cause(
        r"math",
        r"",
        None,
        "A shortcut for small arguments goes too far, or reduction, subnormals, infinities or NaN are wrong",
        "15",
    ),
    Cause(
        r"random",
        r"state\[0\]",
        None,
        "The index of the next word: 624 once all are used up; new ones are made when the next is asked for",
        "3",
    ),
    Cause(
        r"random",
        r"words|state",
        None,
        "Seeding (init_by_array with one word), the making of new words, or their tempering",
        "3",
    ),
    Cause(
        r"random",
        r"gauss|kept",
        FEW,
        "log, sin or cos is not correctly rounded, or z * sigma is fused with an addition",
        "3",
    ),
    Cause(
        r"random",
        r"gauss|kept",
        None,
        "gauss gives the cosine first and keeps the sine for the next call, whatever is drawn in between",
        "3",
    ),
    Cause(
        r"random",
        r"shuffle",
        None,
        "shuffle goes from the last index down and rejects too large words instead of taking a remainder",
        "3",
    ),
    Cause(
        r"random",
        r"choices",
        None,
        "choice searches the running sum for the first entry greater than random() * total",
        "3",
    ),
    Cause(
        r"tokens",
        r"",
        None,
        "Only ASCII white space is stripped, and characters are sorted by code point",
        "4",
    ),
    Cause(r"graph", r"value", FEW, "A division is not a * b^-1, or a function is not correctly rounded", "5"),
    Cause(
        r"graph", r"value", None, "The expression is put together from other nodes than the table says", "5"
    ),
    Cause(r"graph", r"gradient", FEW, ACCUMULATION, "5"),
    Cause(
        r"graph",
        r"gradient",
        None,
        "A local gradient is wrong, or one assigns gradients where they must be added up",
        "5",
    ),
    Cause(r"forward", r"shape of", None, "The document has min(block, tokens - 1) positions", "7"),
    Cause(
        r"forward", r"embedded", None, "The wrong row of wte or wpe, or the tokens are one position off", "6"
    ),
    Cause(
        r"forward",
        r"norm",
        None,
        "rmsnorm is x * (mean(x*x) + 1e-5)^-0.5, with the sum divided by n before 1e-5 is added",
        "6",
    ),
    Cause(
        r"forward",
        r"\.[qkv]\b|hidden|attn_out|mlp_out|logits",
        FEW,
        "A sum runs in another order, starts elsewhere than at x0 + 0, or is fused",
        "6",
    ),
    Cause(
        r"forward", r"\.[qkv]\b", None, "A matrix is transposed, or two of the matrices are exchanged", "6"
    ),
    Cause(
        r"forward",
        r"scores",
        None,
        "The dot product is multiplied by pow(pow(d, 0.5), -1), over the positions of the attention table",
        "6",
    ),
    Cause(
        r"forward",
        r"weights|probabilities",
        None,
        "softmax takes off the maximum, and divides by multiplying with a power node",
        "6",
    ),
    Cause(
        r"forward",
        r"mixed",
        FEW,
        "The products weight * value are added over the positions in their order, from 0 + x, unfused",
        "6",
    ),
    Cause(
        r"forward",
        r"mixed",
        None,
        "The weights do not meet the values of the same position, head and element",
        "6",
    ),
    Cause(
        r"forward",
        r"attn_out",
        None,
        "attn_wo is applied to the heads' results side by side: another matrix, its transpose, or heads in "
        "another order",
        "6",
    ),
    Cause(
        r"forward",
        r"hidden",
        None,
        "mlp_fc1, 4E rows of E, is applied to mlp_norm: another matrix, layer or input",
        "6",
    ),
    Cause(r"forward", r"activated", None, "relu, or the square of relu, whichever the request names", "6"),
    Cause(
        r"forward",
        r"mlp_out",
        None,
        "mlp_fc2, E rows of 4E, is applied to activated: another matrix, layer or input",
        "6",
    ),
    Cause(
        r"forward",
        r"logits",
        None,
        "lm_head is applied to the last mlp_residual, without a norm: another matrix or input",
        "6",
    ),
    Cause(r"forward", r"residual", None, "The residual is what came in before the norm", "6"),
    Cause(r"forward", r"pos\d+\.loss", None, "The loss of a position is log(p(next token)) * -1", "7"),
    Cause(r"forward", r"loss", None, "The loss is (sum of log(p) * -1) * (1/n)", "7"),
    Cause(r"backward", r"loss", None, "See the level forward first: the loss is already another one", "7"),
    Cause(r"backward", r"", FEW, ACCUMULATION, "5"),
    Cause(
        r"backward",
        r"attn_w[kv]",
        None,
        "The gradient does not reach the keys and values of earlier positions",
        "6",
    ),
    Cause(r"backward", r"", None, "A local gradient is wrong, or gradients are not added up from zero", "5"),
    Cause(
        r"adam",
        r"rate",
        None,
        "The schedule counts steps from 0, over all steps, without warm-up or floor",
        "8",
    ),
    Cause(
        r"adam",
        r"correction",
        None,
        "The bias correction is 1 - pow(beta, step + 1), a correctly rounded power and not a running product",
        "8",
    ),
    Cause(
        r"adam",
        r"^[mv]\b",
        None,
        "m = b1*m + (1-b1)*g and v = b2*v + (1-b2)*(g*g), each operation rounded",
        "8",
    ),
    Cause(
        r"adam",
        r"parameters",
        None,
        "epsilon stands outside the root, and both moments are divided by their corrections",
        "8",
    ),
    Cause(
        r"train",
        r"loss",
        None,
        "Something is carried over between steps that should not be, or the document is the wrong one",
        "8",
    ),
    Cause(
        r"train",
        r"gradients",
        None,
        "Gradients are not reset to +0.0 before the step, or are added in another order",
        "5",
    ),
    Cause(
        r"train",
        r"\b[mv]\b",
        None,
        "The moments at the start of the step, which are +0.0 at step 0 and else those of the step before",
        "8",
    ),
    Cause(
        r"train",
        r"parameters",
        None,
        "The step number, which the rate counts from 0 and the corrections from 1, or the parameters "
        "that are "
        "updated",
        "8",
    ),
    Cause(
        r"sample",
        r"probabilities",
        None,
        "Each logit is multiplied by pow(temperature, -1) before softmax; caches are empty for each sample",
        "9",
    ),
    Cause(
        r"sample",
        r"token|word",
        None,
        "choice draws one random() per token, BOS included, and ends a sample at BOS",
        "9",
    ),
    Cause(
        r"run",
        r"print",
        None,
        "Steps: the text, its widths, four decimals. Samples: the temperature, or draws before them",
        "10",
    ),
    Cause(r"run", r"", None, "The order on the one stream: shuffle, draw the parameters, sample", "10"),
)
_ZERO = ("0000000000000000", "8000000000000000")


def other_zero(difference: Difference) -> bool:
    """Whether the two are +0.0 and -0.0: neighbours, but no rounding makes one of the other."""
    return {difference.expected, difference.got} == set(_ZERO)


def likely_cause(verb: str, difference: Difference) -> Cause | None:
    """The likely cause of a first difference; None where the kind of the difference says it all."""
    if difference.kind in ("shape", "error") and not (verb == "forward" and difference.kind == "shape"):
        return None
    sign = other_zero(difference)
    what = f"{difference.checkpoint} {difference.asked}"
    for cause in CAUSES:
        if cause.sign != sign:
            continue
        fits = re.search(cause.verb, verb) and re.search(cause.checkpoint, what)
        small = cause.ulps is None or (difference.ulps is not None and difference.ulps <= cause.ulps)
        if fits and small:
            return cause
    if sign:
        return Cause("", "", None, LEFT_OUT if difference.got == _ZERO[1] else PUT_IN, "5", sign=True)
    return None
