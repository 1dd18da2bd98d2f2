"""From logits to the loss of a document."""

from harness.explain.mutants.mutant import Edit, Mutant

COUNT = "    count = min(config.block, len(tokens) - 1)\n"
LOSS = "        loss = -probabilities[tokens[position + 1]].log()\n"
MEAN = "    return (1.0 / count) * add_up(losses)\n"
MAXIMUM = "    top = max(logit.data for logit in logits)\n"
EXPS = "    exps = [(logit - top).exp() for logit in logits]\n"
SHARE = "    return [e / total for e in exps]\n"

MUTANTS = [
    Mutant(
        "summed-loss",
        "the loss is the sum over the positions and not their mean",
        "A constant factor seems not to matter; Adam even hides it.",
        (Edit("microgpt", MEAN, "    return add_up(losses) * 1.0\n"),),
    ),
    Mutant(
        "mean-over-the-block",
        "the loss is divided by the block's length",
        "Batches have one length for all documents.",
        (Edit("microgpt", MEAN, MEAN.replace("count", "config.block")),),
    ),
    Mutant(
        "mean-over-the-tokens",
        "the loss is divided by the number of tokens, BOS included",
        "len(tokens), one more than there are predictions.",
        (Edit("microgpt", MEAN, MEAN.replace("count", "len(tokens)")),),
    ),
    Mutant(
        "mean-by-division",
        "the sum of losses is divided by n, not multiplied by 1/n",
        "sum(losses) / n is what one would write.",
        (
            Edit(
                "microgpt",
                MEAN,
                "    total = add_up(losses)\n"
                "    return Value(total.data / float(count), (total,), (1.0 / float(count),))\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "target-is-the-current-token",
        "the target is the current token and not the next",
        "An index that was not moved on.",
        (Edit("microgpt", LOSS, LOSS.replace("position + 1", "position")),),
    ),
    Mutant(
        "bos-is-skipped",
        "the first position, which predicts from BOS, is left out of the loss",
        "The loop starts with the first letter.",
        (
            Edit(
                "microgpt",
                "    return (1.0 / count) * add_up(losses)\n",
                "    return (1.0 / max(1, count - 1)) * add_up(losses[1:] or losses)\n",
            ),
        ),
    ),
    Mutant(
        "end-is-not-predicted",
        "the end of a document is not predicted",
        "The last BOS is taken for padding.",
        (Edit("microgpt", COUNT, COUNT.replace("len(tokens) - 1", "max(1, len(tokens) - 2)")),),
    ),
    Mutant(
        "block-one-short",
        "a document is cut one position before the block is full",
        "block - 1 predictions fit if the target needs a place too.",
        (Edit("microgpt", COUNT, COUNT.replace("config.block", "max(1, config.block - 1)")),),
    ),
    Mutant(
        "loss-in-bits",
        "the loss is in bits",
        "log2 for log.",
        (Edit("microgpt", LOSS, LOSS.replace(".log()", ".log() * 1.4426950408889634")),),
    ),
    Mutant(
        "log-softmax",
        "the loss is log(sum exp) minus the logit",
        "The numerically better form that every library has.",
        (
            Edit(
                "microgpt",
                LOSS,
                "        top = max(logit.data for logit in logits)\n"
                "        shifted = [logit - top for logit in logits]\n"
                "        loss = add_up([s.exp() for s in shifted]).log() - shifted[tokens[position + 1]]\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "softmax-without-maximum",
        "softmax does not subtract the maximum",
        "The formula does not have it, and small logits do not need it.",
        (Edit("microgpt", MAXIMUM, "    top = 0.0\n"),),
        rounding=True,
    ),
    Mutant(
        "maximum-with-gradient",
        "the maximum of softmax is a node that takes part in backward",
        "max() over nodes gives a node; its gradient should cancel, and does but for rounding.",
        (Edit("microgpt", MAXIMUM, "    top = max(logits, key=lambda logit: logit.data)\n"),),
        rounding=True,
    ),
    Mutant(
        "maximum-of-magnitudes",
        "softmax subtracts the greatest magnitude",
        "max(abs(x)).",
        (Edit("microgpt", MAXIMUM, MAXIMUM.replace("logit.data for", "abs(logit.data) for")),),
        rounding=True,
    ),
    Mutant(
        "maximum-starts-at-zero",
        "the maximum of softmax is at least 0",
        "The search for it starts from 0.",
        (Edit("microgpt", MAXIMUM, "    top = max(0.0, *(logit.data for logit in logits))\n"),),
        rounding=True,
    ),
    Mutant(
        "one-inverse-for-softmax",
        "softmax computes 1/total once and multiplies by it",
        "One power node in place of many: the same values, another order of gradients.",
        (Edit("microgpt", SHARE, "    inverse = total**-1.0\n    return [e * inverse for e in exps]\n"),),
        rounding=True,
    ),
    Mutant(
        "inverse-times-exponential",
        "softmax multiplies 1/total by the exponential, in this order",
        "Multiplication commutes; but then the first logit is visited first, and gradients add up in another order.",
        (Edit("microgpt", SHARE, "    return [total**-1.0 * e for e in exps]\n"),),
        rounding=True,
    ),
    Mutant(
        "softmax-guarded",
        "softmax adds 1e-10 to its total",
        "A guard against dividing by zero.",
        (Edit("microgpt", SHARE, SHARE.replace("total for", "(total + 1e-10) for")),),
    ),
    Mutant(
        "softmax-of-powers-of-two",
        "softmax takes powers of 2 and not of e",
        "exp2 is the faster one.",
        (
            Edit(
                "microgpt",
                EXPS,
                EXPS.replace("(logit - top).exp()", "((logit - top) * 0.6931471805599453).exp()"),
            ),
        ),
    ),
]
