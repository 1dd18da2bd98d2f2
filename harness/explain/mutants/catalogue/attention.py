"""Queries, keys, values, heads, the attention table and the cache."""

from harness.explain.mutants.mutant import Edit, Mutant

QKV = 'q, k, v = (linear(x, parameters[f"{layer}.attn_w{name}"]) for name in "qkv")'
APPEND = "        caches[i].keys.append(k)\n        caches[i].values.append(v)\n"
CACHES = "    return [Cache([], []) for _ in range(config.layers)]\n"
ATTEND = "x = attend(config, q, caches[i], config.attention[position], layer, record)"
WO = '        x = linear(x, parameters[f"{layer}.attn_wo"])\n'
PART = "        part = slice(head * size, (head + 1) * size)\n"
SCORES = "        scores = [product / maths.pow(float(size), 0.5) for product in products]\n"
KEYS = "        keys = [cache.keys[p][part] for p in positions]\n"
VALUES = "        values = [cache.values[p][part] for p in positions]\n"
MIXED = "        mixed = [add_up(w * value[j] for w, value in zip(weights, values, strict=True)) for j in range(size)]\n"

MUTANTS = [
    Mutant(
        "query-and-key-exchanged",
        "wq makes the keys and wk the queries",
        "Two names exchanged: every score has its transposed value.",
        (Edit("microgpt", QKV, QKV.replace("q, k, v", "k, q, v")),),
    ),
    Mutant(
        "key-and-value-exchanged",
        "wk makes the values and wv the keys",
        "Two names exchanged.",
        (Edit("microgpt", QKV, QKV.replace("q, k, v", "q, v, k")),),
    ),
    Mutant(
        "query-is-normalised",
        "queries are normalised before the scores",
        "QK-norm, as newer models have it.",
        (Edit("microgpt", ATTEND, ATTEND.replace("config, q,", "config, rmsnorm(q),")),),
    ),
    Mutant(
        "scale-missing",
        "scores are not scaled",
        "1/sqrt(head size) is forgotten.",
        (Edit("microgpt", SCORES, "        scores = [product * 1.0 for product in products]\n"),),
    ),
    Mutant(
        "scale-of-the-embedding",
        "scores are scaled by the embedding's size",
        "sqrt(n_embd) for sqrt(head size).",
        (Edit("microgpt", SCORES, SCORES.replace("float(size)", "float(config.embedding)")),),
    ),
    Mutant(
        "scale-without-root",
        "scores are divided by the head's size",
        "The root is forgotten.",
        (Edit("microgpt", SCORES, SCORES.replace("maths.pow(float(size), 0.5)", "float(size)")),),
    ),
    Mutant(
        "scores-truly-divided",
        "scores are divided by sqrt(head size), not multiplied by its inverse",
        "It is the formula; both agree where the head's size is a power of 4.",
        (
            Edit(
                "microgpt",
                SCORES,
                "        root = maths.pow(float(size), 0.5)\n"
                "        scores = [Value(p.data / root, (p,), (1.0 / root,)) for p in products]\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "query-is-scaled",
        "the query is scaled before the dot products",
        "It saves multiplications.",
        (
            Edit(
                "microgpt",
                "        q_head = q[part]\n",
                "        q_head = [a / maths.pow(float(size), 0.5) for a in q[part]]\n",
            ),
            Edit("microgpt", SCORES, "        scores = products\n"),
        ),
        rounding=True,
    ),
    Mutant(
        "value-times-weight",
        "attention multiplies v * w and not w * v",
        "Multiplication commutes; the order in which gradients accumulate does not.",
        (Edit("microgpt", MIXED, MIXED.replace("w * value[j]", "value[j] * w")),),
        rounding=True,
    ),
    Mutant(
        "heads-interleaved",
        "heads take every n-th number and not a part of their own",
        "A reshape with its axes exchanged.",
        (Edit("microgpt", PART, "        part = slice(head, None, config.heads)\n"),),
    ),
    Mutant(
        "one-head",
        "every head uses the first head's part",
        "An offset that is not moved on.",
        (Edit("microgpt", PART, "        part = slice(0, size)\n"),),
    ),
    Mutant(
        "attends-to-all",
        "every position attends to all before it",
        "The attention table is taken for the causal mask.",
        (Edit("microgpt", ATTEND, ATTEND.replace("config.attention[position]", "range(position + 1)")),),
    ),
    Mutant(
        "does-not-attend-to-itself",
        "a position does not attend to itself",
        "< for <= in the mask.",
        (
            Edit(
                "microgpt",
                ATTEND,
                ATTEND.replace(
                    "config.attention[position]", "config.attention[position][:-1] or (position,)"
                ),
            ),
        ),
    ),
    Mutant(
        "weights-applied-to-keys",
        "the weights of attention are applied to the keys",
        "The same slice is used twice.",
        (Edit("microgpt", VALUES, VALUES.replace("cache.values", "cache.keys")),),
    ),
    Mutant(
        "attention-table-of-the-row-before",
        "a position uses the attention table of the position before it",
        "The table is indexed from 1.",
        (
            Edit(
                "microgpt",
                ATTEND,
                ATTEND.replace("config.attention[position]", "config.attention[max(0, position - 1)]"),
            ),
        ),
    ),
    Mutant(
        "attends-to-the-latest",
        "a position attends to the latest positions, as many as its table has",
        "The table's length is used and not its entries: right for causal attention and for windows.",
        (
            Edit(
                "microgpt",
                ATTEND,
                ATTEND.replace(
                    "config.attention[position]",
                    "range(position + 1 - len(config.attention[position]), position + 1)",
                ),
            ),
        ),
    ),
    Mutant(
        "attention-in-reverse",
        "a position attends to the earlier ones from the latest to the first",
        "A linked list as the cache: the sums run the other way.",
        (
            Edit(
                "microgpt",
                ATTEND,
                ATTEND.replace("config.attention[position]", "config.attention[position][::-1]"),
            ),
        ),
    ),
    Mutant(
        "cache-reset-at-each-position",
        "each position sees only its own keys and values",
        "The cache is made inside the loop.",
        (
            Edit(
                "microgpt",
                APPEND,
                "        caches[i].keys[:] = [k] * (position + 1)\n        caches[i].values[:] = [v] * (position + 1)\n",
            ),
        ),
    ),
    Mutant(
        "one-cache-for-all-layers",
        "all layers share one cache",
        "[cache] * layers repeats one object.",
        (Edit("microgpt", CACHES, "    return [Cache([], [])] * config.layers\n"),),
    ),
    Mutant(
        "keys-and-values-without-history",
        "gradients reach the keys and values of the current position only",
        "The cache holds plain numbers: earlier positions are constants in backward.",
        (
            Edit("microgpt", KEYS, KEYS.replace("cache.keys[p][part]", "recent(cache.keys, p)[part]")),
            Edit(
                "microgpt",
                VALUES,
                VALUES.replace("cache.values[p][part]", "recent(cache.values, p)[part]"),
            ),
            Edit(
                "microgpt",
                "def attend(\n",
                "def recent(entries, p):\n"
                "    return entries[p] if p == len(entries) - 1 else [Value(x.data) for x in entries[p]]\n\n\n"
                "def attend(\n",
            ),
        ),
    ),
    Mutant(
        "output-projection-missing",
        "the output projection of attention is left out",
        "With one head it looks superfluous.",
        (Edit("microgpt", WO, ""),),
    ),
]
