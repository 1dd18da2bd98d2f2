"""Embeddings, norm, residuals, feed-forward, and how they are put together."""

from harness.explain.mutants.mutant import Edit, Mutant

MEAN = "    mean_square = add_up(xi * xi for xi in x) / float(len(x))\n"
SCALE = "    scale = (mean_square + 1e-5) ** -0.5\n"
NORMED = "    return [xi * scale for xi in x]\n"
EMBEDDED = 'x = [t + p for t, p in zip(parameters["wte"][token], parameters["wpe"][position], strict=True)]'
FIRST_NORM = '    x = rmsnorm(x)\n    record("normed", x)\n'
ATTN_NORM = '        residual, x = x, rmsnorm(x)\n        record(f"{layer}.attn_norm", x)\n'
MLP_NORM = '        residual, x = x, rmsnorm(x)\n        record(f"{layer}.mlp_norm", x)\n'
ATTN_RESIDUAL = '        x = [a + b for a, b in zip(x, residual, strict=True)]\n        record(f"{layer}.attn_residual", x)\n'
MLP_RESIDUAL = '        x = [a + b for a, b in zip(x, residual, strict=True)]\n        record(f"{layer}.mlp_residual", x)\n'
ACTIVATED = "        x = [ACTIVATIONS[config.activation](xi) for xi in x]\n"
LOGITS = '    logits = linear(x, parameters["lm_head"])\n'

MUTANTS = [
    Mutant(
        "eps-outside-the-root",
        "rmsnorm adds its epsilon after the root",
        "Both forms are in use.",
        (Edit("microgpt", SCALE, "    scale = mean_square ** 0.5\n    scale = (scale + 1e-5) ** -1.0\n"),),
    ),
    Mutant(
        "eps-missing",
        "rmsnorm has no epsilon",
        "It seems to matter for zeros only.",
        (Edit("microgpt", SCALE, "    scale = mean_square ** -0.5\n"),),
    ),
    Mutant(
        "eps-of-1e-6",
        "the epsilon of rmsnorm is 1e-6",
        "Other models have that one.",
        (Edit("microgpt", SCALE, SCALE.replace("1e-5", "1e-6")),),
    ),
    Mutant(
        "eps-in-float32",
        "the epsilon of rmsnorm is the float32 nearest to 1e-5",
        "A literal 1e-5f.",
        (Edit("microgpt", SCALE, SCALE.replace("1e-5", "single(1e-5)")),),
    ),
    Mutant(
        "norm-by-true-division",
        "rmsnorm divides by the root and does not multiply by the power -0.5",
        "x / sqrt(mean + eps) is how the formula is printed.",
        (
            Edit(
                "microgpt",
                SCALE + NORMED,
                "    root = (mean_square + 1e-5) ** 0.5\n    return [xi / root for xi in x]\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "norm-without-division-by-n",
        "rmsnorm takes the sum of squares and not their mean",
        "The root *mean* square loses its mean.",
        (Edit("microgpt", MEAN, MEAN.replace(" / float(len(x))", " * 1.0")),),
    ),
    Mutant(
        "norm-divides-by-n-minus-one",
        "rmsnorm divides by n - 1",
        "The variance of a sample.",
        (Edit("microgpt", MEAN, MEAN.replace("float(len(x))", "float(max(1, len(x) - 1))")),),
    ),
    Mutant(
        "layer-norm",
        "the norm subtracts the mean first",
        "GPT-2 has LayerNorm.",
        (
            Edit(
                "microgpt",
                MEAN,
                "    mean = add_up(x) / float(len(x))\n    x = [xi - mean for xi in x]\n" + MEAN,
            ),
        ),
    ),
    Mutant(
        "norm-with-constant-scale",
        "the scale of rmsnorm is a constant in backward",
        "A plain number where a node should be.",
        (
            Edit(
                "microgpt",
                SCALE,
                SCALE.replace("(mean_square + 1e-5) ** -0.5", "maths.pow(mean_square.data + 1e-5, -0.5)"),
            ),
        ),
    ),
    Mutant(
        "norm-with-gain",
        "rmsnorm has a gain of 1 + 1e-5",
        "A learned gain that starts near 1.",
        (Edit("microgpt", NORMED, NORMED.replace("xi * scale", "xi * scale * 1.00001")),),
    ),
    Mutant(
        "first-norm-missing",
        "the embedding is not normalised",
        "Other models have no norm before the first layer.",
        (Edit("microgpt", FIRST_NORM, FIRST_NORM.replace("    x = rmsnorm(x)\n", "")),),
    ),
    Mutant(
        "final-norm-added",
        "the last activations are normalised before lm_head",
        "Other models have such a norm.",
        (Edit("microgpt", LOGITS, "    x = rmsnorm(x)\n" + LOGITS),),
    ),
    Mutant(
        "norm-after-attention",
        "the norm stands behind the attention",
        "Post-norm, as in the first transformer.",
        (
            Edit("microgpt", ATTN_NORM, ATTN_NORM.replace("rmsnorm(x)", "x")),
            Edit("microgpt", ATTN_RESIDUAL, ATTN_RESIDUAL.replace("]\n", "]\n        x = rmsnorm(x)\n", 1)),
        ),
    ),
    Mutant(
        "norm-after-feed-forward",
        "the norm stands behind the feed-forward layer",
        "Post-norm, as in the first transformer.",
        (
            Edit("microgpt", MLP_NORM, MLP_NORM.replace("rmsnorm(x)", "x")),
            Edit("microgpt", MLP_RESIDUAL, MLP_RESIDUAL.replace("]\n", "]\n        x = rmsnorm(x)\n", 1)),
        ),
    ),
    Mutant(
        "residual-after-the-norm",
        "the residual of the attention is taken after the norm",
        "Two lines exchanged: the norm first, then the copy.",
        (
            Edit(
                "microgpt",
                ATTN_NORM,
                '        x = rmsnorm(x)\n        residual = x\n        record(f"{layer}.attn_norm", x)\n',
            ),
        ),
    ),
    Mutant(
        "attention-residual-missing",
        "the attention's result replaces x and is not added to it",
        "The residual is forgotten.",
        (Edit("microgpt", ATTN_RESIDUAL, '        record(f"{layer}.attn_residual", x)\n'),),
    ),
    Mutant(
        "feed-forward-residual-missing",
        "the feed-forward layer's result replaces x and is not added to it",
        "The residual is forgotten.",
        (Edit("microgpt", MLP_RESIDUAL, '        record(f"{layer}.mlp_residual", x)\n'),),
    ),
    Mutant(
        "position-missing",
        "positions are not embedded",
        "wpe is drawn and never added.",
        (Edit("microgpt", EMBEDDED, EMBEDDED.replace("t + p for", "t + p * 0.0 for")),),
    ),
    Mutant(
        "position-off-by-one",
        "positions are counted from 1",
        "Indices that begin with 1.",
        (
            Edit(
                "microgpt",
                EMBEDDED,
                EMBEDDED.replace('["wpe"][position]', '["wpe"][(position + 1) % config.block]'),
            ),
        ),
    ),
    Mutant(
        "position-never-moves",
        "every position is embedded as position 0",
        "The counter is not passed on.",
        (Edit("microgpt", EMBEDDED, EMBEDDED.replace('["wpe"][position]', '["wpe"][0]')),),
    ),
    Mutant(
        "tied-embeddings",
        "lm_head is wte",
        "Weight tying, as in GPT-2.",
        (Edit("microgpt", LOGITS, LOGITS.replace("lm_head", "wte")),),
    ),
    Mutant(
        "transposed-weights",
        "square weights are used transposed",
        "Row or column first: shapes do not tell when a matrix is square.",
        (
            Edit(
                "microgpt",
                "def linear(x: Vector, weights: Matrix) -> Vector:\n",
                "def linear(x: Vector, weights: Matrix) -> Vector:\n"
                "    if len(weights) == len(weights[0]):\n"
                "        weights = [list(column) for column in zip(*weights)]\n",
            ),
        ),
    ),
    Mutant(
        "first-layer-twice",
        "all layers use the weights of the first",
        "A name that is built from the wrong counter.",
        (
            Edit(
                "microgpt",
                '        layer = f"layer{i}"\n        residual',
                '        layer, own = "layer0", f"layer{i}"\n        residual',
            ),
        ),
    ),
    Mutant(
        "activations-exchanged",
        "relu and squared relu are exchanged",
        "Both presets are in use.",
        (
            Edit(
                "microgpt",
                ACTIVATED,
                ACTIVATED.replace(
                    "[config.activation]",
                    '["relu" if config.activation == "squared_relu" else "squared_relu"]',
                ),
            ),
        ),
    ),
    Mutant(
        "gelu",
        "the activation is gelu",
        "GPT-2 has it.",
        (
            Edit(
                "microgpt",
                ACTIVATED,
                "        x = [xi / ((xi * -1.702).exp() + 1.0) for xi in x]\n",
            ),
        ),
    ),
    Mutant(
        "square-before-relu",
        "the activation is relu(x^2)",
        "The order of two operations.",
        (Edit("microgpt", "lambda x: x.relu() ** 2.0", "lambda x: (x**2.0).relu()"),),
    ),
    Mutant(
        "cube-of-relu",
        "the squared relu is cubed",
        "One multiplication too many.",
        (Edit("microgpt", "lambda x: x.relu() ** 2.0", "lambda x: x.relu() ** 3.0"),),
    ),
    Mutant(
        "activation-after-the-second-layer",
        "the activation follows the second feed-forward matrix",
        "Two lines exchanged.",
        (
            Edit("microgpt", ACTIVATED, ""),
            Edit(
                "microgpt",
                '        x = linear(x, parameters[f"{layer}.mlp_fc2"])\n',
                '        x = linear(x, parameters[f"{layer}.mlp_fc2"])\n' + ACTIVATED,
            ),
        ),
    ),
]
