"""From logits to text."""

from harness.explain.mutants.mutant import Edit, Mutant

PROBABILITIES = (
    "        probabilities = [p.data for p in softmax([logit / temperature for logit in logits])]\n"
)
DRAW = "        [token] = generator.choices(range(config.vocabulary), weights=probabilities)\n"
START = "    bos = config.vocabulary - 1\n    caches = empty_caches(config)\n    token, tokens = bos, []\n"
STOP = "        if token == bos:\n            break\n"
LOOP = "    for position in range(config.block):\n        logits = gpt(config, parameters, token, position, caches)\n"

MUTANTS = [
    Mutant(
        "temperature-unused",
        "the temperature is never used",
        "It is a parameter of the function, and nobody divides by it.",
        (
            Edit(
                "microgpt",
                PROBABILITIES,
                PROBABILITIES.replace("[logit / temperature for logit in logits]", "logits"),
            ),
        ),
    ),
    Mutant(
        "temperature-multiplied",
        "logits are multiplied by the temperature",
        "Inverse temperatures are in use too.",
        (
            Edit(
                "microgpt", PROBABILITIES, PROBABILITIES.replace("logit / temperature", "logit * temperature")
            ),
        ),
    ),
    Mutant(
        "temperature-truly-divided",
        "logits are divided by the temperature, not multiplied by its inverse",
        "Both agree at 0.5.",
        (
            Edit(
                "microgpt",
                PROBABILITIES,
                PROBABILITIES.replace(
                    "logit / temperature for", "Value(divide(logit.data, temperature)) for"
                ),
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "temperature-after-softmax",
        "probabilities are divided by the temperature",
        "choices takes any weights, so nothing is seen.",
        (
            Edit(
                "microgpt",
                PROBABILITIES,
                "        probabilities = [divide(p.data, temperature) for p in softmax(logits)]\n",
            ),
        ),
    ),
    Mutant(
        "temperature-twice",
        "the temperature is applied twice",
        "Once in the model and once in the sampler.",
        (
            Edit(
                "microgpt",
                PROBABILITIES,
                PROBABILITIES.replace("logit / temperature for", "logit / temperature / temperature for"),
            ),
        ),
    ),
    Mutant(
        "greedy",
        "the likeliest token is taken",
        "argmax needs no random numbers.",
        (
            Edit(
                "microgpt",
                DRAW,
                "        token = max(range(config.vocabulary), key=probabilities.__getitem__)\n",
            ),
        ),
    ),
    Mutant(
        "cache-shared-between-samples",
        "samples share one cache",
        "It is made once, before the loop.",
        (
            Edit(
                "microgpt",
                START,
                START.replace(
                    "empty_caches(config)", "SHARED.setdefault(id(parameters), empty_caches(config))"
                ),
            ),
            Edit(
                "microgpt",
                "Draw = Callable[[list[float], int], None]\n",
                "Draw = Callable[[list[float], int], None]\nSHARED = {}\n",
            ),
            Edit(
                "replies",
                "    reply: list[str] = []\n\n    def watch(",
                "    microgpt.SHARED.clear()\n    reply: list[str] = []\n\n    def watch(",
            ),
        ),
    ),
    Mutant(
        "sample-starts-with-token-0",
        "samples start with token 0",
        "BOS is token 0 in other tokenizers.",
        (Edit("microgpt", START, START.replace("token, tokens = bos, []", "token, tokens = 0, []")),),
    ),
    Mutant(
        "sample-never-stops",
        "samples run to the end of the block",
        "BOS is drawn and goes on as a letter would.",
        (Edit("microgpt", STOP, "        if token == bos:\n            continue\n"),),
    ),
    Mutant(
        "sample-one-short",
        "samples end one token before the block is full",
        "A place is kept for BOS.",
        (Edit("microgpt", LOOP, LOOP.replace("range(config.block)", "range(max(1, config.block - 1))")),),
    ),
    Mutant(
        "sample-without-position",
        "every draw is made at position 0",
        "The position is not passed on.",
        (Edit("microgpt", LOOP, LOOP.replace("token, position, caches)", "token, 0, caches)")),),
    ),
    Mutant(
        "sample-feeds-bos",
        "the model always sees BOS as its last token",
        "The token that was drawn is not fed back.",
        (Edit("microgpt", LOOP, LOOP.replace("parameters, token, position", "parameters, bos, position")),),
    ),
    Mutant(
        "softmax-in-sampling-without-maximum",
        "softmax in sampling does not subtract the maximum",
        "A second softmax, for plain numbers, that was written in haste.",
        (
            Edit(
                "microgpt",
                PROBABILITIES,
                "        exps = [(logit / temperature).exp() for logit in logits]\n"
                "        total = add_up(exps)\n"
                "        probabilities = [(e / total).data for e in exps]\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "softmax-in-sampling-truly-divided",
        "softmax in sampling divides, and does not multiply by the inverse",
        "Without autograd there seems to be no reason for a power.",
        (
            Edit(
                "microgpt",
                PROBABILITIES,
                "        scaled = [(logit / temperature).data for logit in logits]\n"
                "        top = max(scaled)\n"
                "        exps = [maths.exp(s - top) for s in scaled]\n"
                "        total = 0.0\n"
                "        for e in exps:\n"
                "            total += e\n"
                "        probabilities = [divide(e, total) for e in exps]\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "bos-cannot-be-drawn",
        "BOS is never drawn",
        "The special token is masked.",
        (
            Edit(
                "microgpt",
                DRAW,
                "        [token] = generator.choices(range(config.vocabulary - 1), weights=probabilities[:-1])\n",
            ),
        ),
    ),
    Mutant(
        "two-numbers-for-a-token",
        "each token uses two random numbers",
        "A draw that is thrown away, for a shuffle or a check.",
        (Edit("microgpt", DRAW, DRAW + "        generator.random()\n"),),
    ),
]
