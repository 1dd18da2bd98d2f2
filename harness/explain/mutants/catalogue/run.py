"""What belongs to a whole run only: the dataset's order, the initial parameters, the stream, the printed text."""

from harness.explain.mutants.mutant import Edit, Mutant

SHUFFLE = "        self.generator.shuffle(self.documents)\n"
PARAMETERS = "        parameters = draw_parameters(preset, config, self.generator)\n"
NEXT = "            document = self.documents[training.step % len(self.documents)]\n"
SIGMA = '        return preset.output_sigma if name.endswith(("attn_wo", "mlp_fc2")) else preset.sigma\n'
DRAWN = "        name: [[Value(generator.gauss(0.0, sigma(name))) for _ in range(columns)] for _ in range(rows)]\n"
SHAPES = '        shapes = [("wte", self.vocabulary, e), ("wpe", self.block, e), ("lm_head", self.vocabulary, e)]\n'
PRINTED = '            yield f"step {step:4d} / {steps:4d} | loss {four_decimals(loss)}"\n'
DECIMALS = '    return f"{x:.4f}"\n'
SAMPLED = '            yield f"sample {number:2d}: {self.sample()}"\n'
SAMPLE = "            sample(training.config, training.parameters, self.preset.temperature, self.generator)\n"

MUTANTS = [
    Mutant(
        "documents-not-shuffled",
        "the documents are not shuffled",
        "The list looks random enough.",
        (Edit("microgpt", SHUFFLE, ""),),
    ),
    Mutant(
        "shuffled-after-the-parameters",
        "the parameters are drawn before the documents are shuffled",
        "The model is made first.",
        (Edit("microgpt", SHUFFLE, ""), Edit("microgpt", PARAMETERS, PARAMETERS + SHUFFLE)),
    ),
    Mutant(
        "documents-at-random",
        "each step draws its document at random",
        "random.choice(documents) needs no shuffle.",
        (
            Edit(
                "microgpt",
                NEXT,
                "            document = self.documents[self.generator._randbelow(len(self.documents))]\n",
            ),
        ),
    ),
    Mutant(
        "second-document-first",
        "the first step takes the second document",
        "Steps are counted from 1.",
        (Edit("microgpt", NEXT, NEXT.replace("training.step %", "(training.step + 1) %")),),
    ),
    Mutant(
        "one-document",
        "every step takes the first document",
        "An index that is not moved on.",
        (Edit("microgpt", NEXT, "            document = self.documents[0]\n"),),
    ),
    Mutant(
        "documents-end",
        "the last document is repeated when all are used up",
        "min() for the modulo.",
        (
            Edit(
                "microgpt",
                NEXT,
                NEXT.replace(
                    "training.step % len(self.documents)", "min(training.step, len(self.documents) - 1)"
                ),
            ),
        ),
    ),
    Mutant(
        "sigma-of-another-version",
        "the initial sigma is that of another version",
        "0.02 and 0.08 are both in circulation.",
        (
            Edit(
                "microgpt",
                SIGMA,
                SIGMA.replace(
                    "else preset.sigma", "else {0.02: 0.08, 0.08: 0.02}.get(preset.sigma, preset.sigma)"
                ),
            ),
        ),
    ),
    Mutant(
        "output-projections-like-the-others",
        "attn_wo and mlp_fc2 have the sigma of all others",
        "The preset `seed` starts them at zero.",
        (Edit("microgpt", SIGMA, "        return preset.sigma\n"),),
    ),
    Mutant(
        "zero-matrices-not-drawn",
        "matrices that start at zero draw no random numbers",
        "There seems to be nothing to draw.",
        (
            Edit(
                "microgpt",
                DRAWN,
                DRAWN.replace(
                    "Value(generator.gauss(0.0, sigma(name)))",
                    "Value(generator.gauss(0.0, sigma(name)) if sigma(name) else 0.0)",
                ),
            ),
        ),
    ),
    Mutant(
        "uniform-parameters",
        "initial parameters are uniform",
        "Kaiming's or Xavier's other half.",
        (
            Edit(
                "microgpt",
                DRAWN,
                DRAWN.replace(
                    "generator.gauss(0.0, sigma(name))", "(2.0 * generator.random() - 1.0) * sigma(name)"
                ),
            ),
        ),
    ),
    Mutant(
        "lm-head-drawn-last",
        "lm_head is drawn after the layers",
        "It is the last matrix of the model.",
        (
            Edit(
                "microgpt", SHAPES, '        shapes = [("wte", self.vocabulary, e), ("wpe", self.block, e)]\n'
            ),
            Edit(
                "microgpt",
                "        return shapes\n",
                '        return [*shapes, ("lm_head", self.vocabulary, e)]\n',
            ),
            Edit(
                "requests",
                "        for name, rows, columns in config.matrices()\n    }\n",
                "        for name, rows, columns in ordered(config)\n    }\n\n\ndef ordered(config: Config) -> list:\n    shapes = config.matrices()\n    return [*shapes[:2], shapes[-1], *shapes[2:-1]]\n",
            ),
        ),
    ),
    Mutant(
        "drawn-by-columns",
        "matrices are drawn column by column",
        "Fortran, Julia and R store them so.",
        (
            Edit(
                "microgpt",
                DRAWN,
                "        name: [list(row) for row in zip(*[[Value(generator.gauss(0.0, sigma(name))) for _ in range(rows)] for _ in range(columns)])]\n",
            ),
        ),
    ),
    Mutant(
        "another-seed",
        "the seed is 1337",
        "Other programs of the same author have that one.",
        (
            Edit(
                "microgpt",
                "        self.generator = Generator(seed)\n",
                "        self.generator = Generator(1337)\n",
            ),
        ),
    ),
    Mutant(
        "sampling-starts-the-stream-again",
        "sampling seeds the generator again",
        "A function that makes its own generator.",
        (
            Edit(
                "microgpt",
                SAMPLE,
                SAMPLE.replace("self.generator", "self.__dict__.setdefault('own', Generator(42))"),
            ),
        ),
    ),
    Mutant(
        "temperature-of-one",
        "samples of a run have the temperature 1",
        "The default of other samplers.",
        (Edit("microgpt", SAMPLE, SAMPLE.replace("self.preset.temperature", "1.0")),),
    ),
    Mutant(
        "losses-truncated",
        "printed losses are cut after four decimals",
        "floor(x * 10000) / 10000 as a way to print.",
        (Edit("microgpt", DECIMALS, DECIMALS.replace("{x:.4f}", "{int(x * 10000.0) / 10000.0:.4f}")),),
    ),
    Mutant(
        "losses-printed-from-float32",
        "the loss is rounded to float32 before it is printed",
        "A field or a format of 32 bits on the way to the text.",
        (Edit("microgpt", PRINTED, PRINTED.replace("four_decimals(loss)", "four_decimals(single(loss))")),),
    ),
    Mutant(
        "steps-printed-from-0",
        "steps are printed from 0",
        "The loop's counter is printed as it is.",
        (Edit("microgpt", PRINTED, PRINTED.replace("{step:4d}", "{step - 1:4d}")),),
    ),
    Mutant(
        "widths-of-three",
        "step numbers have the width 3",
        "The preset `seed` needs no more.",
        (Edit("microgpt", PRINTED, PRINTED.replace(":4d", ":3d")),),
    ),
    Mutant(
        "samples-printed-from-0",
        "samples are printed from 0",
        "The loop's counter is printed as it is.",
        (Edit("microgpt", SAMPLED, SAMPLED.replace("{number:2d}", "{number - 1:2d}")),),
    ),
    Mutant(
        "loss-averaged",
        "the printed loss is a moving average",
        "Smooth curves look better.",
        (
            Edit(
                "microgpt",
                "        steps = self.training.optimizer.steps\n        for step",
                "        steps, mean = self.training.optimizer.steps, None\n        for step",
            ),
            Edit(
                "microgpt",
                PRINTED,
                "            mean = loss if mean is None else 0.9 * mean + 0.1 * loss\n"
                + PRINTED.replace("(loss)", "(mean)"),
            ),
        ),
    ),
]
