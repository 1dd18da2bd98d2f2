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
    for any.
    """

    verb: str
    checkpoint: str
    ulps: int | None
    sentence: str
    section: str


FUSED = (
    "The compiler fuses a * b + c into one rounding; forbid it (-ffp-contract=off in C, float64(a*b) in Go)"
)
ACCUMULATION = "Gradients are added in another order than the reverse of the depth-first post-order"
FEW = 4
CAUSES = (
    Cause(r"hello", r"", None, "The reply to hello has its own four lines, in order", "12, level 1"),
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
    Cause(r"math", r"", FEW, "The language's own function is close but not correctly rounded", "15"),
    Cause(
        r"math",
        r"",
        None,
        "A shortcut for small arguments goes too far, or reduction, subnormals, infinities or NaN are wrong",
        "15",
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
    Cause(r"forward", r"residual", None, "The residual is what came in before the norm", "6"),
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
    Cause(r"adam", r"rate", None, "The schedule counts steps from 0", "8"),
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
    Cause(r"train", r"\b[mv]\b", None, "See the level adam", "8"),
    Cause(r"train", r"parameters", None, "See the level adam", "8"),
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


def likely_cause(verb: str, difference: Difference) -> Cause | None:
    """The likely cause of a first difference; None where the kind of the difference says it all."""
    if difference.kind in ("shape", "error"):
        return None
    for cause in CAUSES:
        fits = re.search(cause.verb, verb) and re.search(cause.checkpoint, difference.checkpoint)
        small = cause.ulps is None or (difference.ulps is not None and difference.ulps <= cause.ulps)
        if fits and small:
            return cause
    return None
