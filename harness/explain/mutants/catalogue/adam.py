"""The optimizer and the schedule of its learning rate."""

from harness.explain.mutants.mutant import Edit, Mutant

CORRECTIONS = "return 1.0 - maths.pow(self.beta1, step + 1.0), 1.0 - maths.pow(self.beta2, step + 1.0)"
M = "            m = self.beta1 * m + (1.0 - self.beta1) * g\n"
V = "            v = self.beta2 * v + (1.0 - self.beta2) * maths.pow(g, 2.0)\n"
HATS = "            m_hat = divide(m, correction1)\n            v_hat = divide(v, correction2)\n"
UPDATE = "            yield p - divide(rate * m_hat, maths.pow(v_hat, 0.5) + self.epsilon), m, v\n"
LINEAR = "            return self.learning_rate * (1.0 - s / n)\n"
COSINE = "        return (self.learning_rate * 0.5) * (1.0 + maths.cos((PI * s) / n))\n"
STEP = "        s, n = float(step), float(self.steps)\n"
ADVANCE = "        updated = self.optimizer.update(\n"

MUTANTS = [
    Mutant(
        "no-bias-correction",
        "Adam has no bias correction",
        "Training works without, only slower at first.",
        (Edit("microgpt", CORRECTIONS, "return 1.0, 1.0"),),
    ),
    Mutant(
        "no-correction-of-v",
        "only the first moment is corrected",
        "One of the two divisions is forgotten.",
        (Edit("microgpt", CORRECTIONS, "return 1.0 - maths.pow(self.beta1, step + 1.0), 1.0"),),
    ),
    Mutant(
        "correction-from-step-0",
        "the bias correction is 1 - beta^s with s from 0",
        "Steps are counted from 0, the formula from 1.",
        (Edit("microgpt", CORRECTIONS, CORRECTIONS.replace("step + 1.0", "float(step)")),),
    ),
    Mutant(
        "correction-one-step-late",
        "the bias correction is 1 - beta^(s+2)",
        "The counter is raised before the update and 1 is added again.",
        (Edit("microgpt", CORRECTIONS, CORRECTIONS.replace("step + 1.0", "step + 2.0")),),
    ),
    Mutant(
        "rate-and-correction-one-step-on",
        "learning rate and bias correction are those of the next step",
        "The counter is raised at the start of the step.",
        (
            Edit("microgpt", CORRECTIONS, CORRECTIONS.replace("step + 1.0", "step + 2.0")),
            Edit("microgpt", STEP, STEP.replace("float(step)", "float(step + 1)")),
        ),
    ),
    Mutant(
        "correction-as-a-product",
        "the powers of beta are running products",
        "beta_t *= beta at each step: rounded each time.",
        (
            Edit(
                "microgpt",
                CORRECTIONS,
                "def power(beta):\n"
                "            result = 1.0\n"
                "            for _ in range(step + 1):\n"
                "                result *= beta\n"
                "            return result\n\n"
                "        return 1.0 - power(self.beta1), 1.0 - power(self.beta2)",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "one-shared-power",
        "both moments are corrected with beta1",
        "A copied line.",
        (Edit("microgpt", CORRECTIONS, CORRECTIONS.replace("self.beta2", "self.beta1")),),
    ),
    Mutant(
        "betas-exchanged",
        "beta1 and beta2 are exchanged",
        "Positional arguments.",
        (
            Edit(
                "microgpt",
                CORRECTIONS,
                CORRECTIONS.replace("beta1", "?").replace("beta2", "beta1").replace("?", "beta2"),
            ),
            Edit("microgpt", M, M.replace("beta1", "beta2")),
            Edit("microgpt", V, V.replace("beta2", "beta1")),
        ),
    ),
    Mutant(
        "adam-eps-inside-the-root",
        "Adam adds its epsilon inside the root",
        "rmsnorm has it there.",
        (
            Edit(
                "microgpt",
                UPDATE,
                UPDATE.replace(
                    "maths.pow(v_hat, 0.5) + self.epsilon", "maths.pow(v_hat + self.epsilon, 0.5)"
                ),
            ),
        ),
    ),
    Mutant(
        "adam-eps-missing",
        "Adam has no epsilon",
        "It is tiny.",
        (Edit("microgpt", UPDATE, UPDATE.replace(" + self.epsilon", "")),),
    ),
    Mutant(
        "adam-eps-before-the-correction",
        "epsilon is added to the root of the uncorrected moment",
        "The short form of Adam, with the corrections moved into the rate: its epsilon means another thing.",
        (
            Edit(
                "microgpt",
                UPDATE,
                "            short = rate * maths.pow(correction2, 0.5) / correction1 if correction1 else rate\n"
                "            yield p - divide(short * m, maths.pow(v, 0.5) + self.epsilon), m, v\n",
            ),
        ),
    ),
    Mutant(
        "weight-decay",
        "weights decay by 0.01 of the rate",
        "AdamW is the default of many libraries.",
        (Edit("microgpt", UPDATE, UPDATE.replace("yield p - divide", "yield p - rate * 0.01 * p - divide")),),
    ),
    Mutant(
        "rate-multiplied-last",
        "rate * (m_hat / denominator) is computed, not (rate * m_hat) / denominator",
        "The formula in the paper reads either way.",
        (
            Edit(
                "microgpt",
                UPDATE,
                UPDATE.replace(
                    "divide(rate * m_hat, maths.pow(v_hat, 0.5) + self.epsilon)",
                    "rate * divide(m_hat, maths.pow(v_hat, 0.5) + self.epsilon)",
                ),
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "roots-divided",
        "the root of v is divided by the root of its correction",
        "The correction of v is computed once for all parameters, and its root with it.",
        (
            Edit(
                "microgpt",
                UPDATE,
                UPDATE.replace(
                    "maths.pow(v_hat, 0.5)", "divide(maths.pow(v, 0.5), maths.pow(correction2, 0.5))"
                ),
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "m-by-difference",
        "m moves by (1-b1)*(g - m)",
        "A lerp, as PyTorch does it.",
        (Edit("microgpt", M, "            m = m + (1.0 - self.beta1) * (g - m)\n"),),
        rounding=True,
    ),
    Mutant(
        "v-as-a-product-from-left",
        "v takes ((1-b2)*g)*g and not (1-b2)*g^2",
        "Without parentheses a product runs from the left.",
        (
            Edit(
                "microgpt",
                V,
                V.replace("(1.0 - self.beta2) * maths.pow(g, 2.0)", "(1.0 - self.beta2) * g * g"),
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "one-minus-beta-as-literal",
        "1 - beta is rounded to 15 digits",
        "0.15 for 1 - 0.85, which is 0.15000000000000002.",
        (
            Edit("microgpt", M, M.replace("(1.0 - self.beta1)", "float(f'{1.0 - self.beta1:.15g}')")),
            Edit("microgpt", V, V.replace("(1.0 - self.beta2)", "float(f'{1.0 - self.beta2:.15g}')")),
        ),
        rounding=True,
    ),
    Mutant(
        "v-of-the-new-m",
        "v is updated with m and not with the gradient",
        "A variable that was overwritten.",
        (Edit("microgpt", V, V.replace("maths.pow(g, 2.0)", "maths.pow(m, 2.0)")),),
    ),
    Mutant(
        "v-of-absolute-values",
        "v is a mean of absolute values",
        "The square is forgotten.",
        (Edit("microgpt", V, V.replace("maths.pow(g, 2.0)", "abs(g)")),),
    ),
    Mutant(
        "old-moments-used",
        "the update uses the moments of the step before",
        "The parameters are written before the moments.",
        (Edit("microgpt", M + V + HATS, HATS + M + V),),
    ),
    Mutant(
        "nesterov",
        "the update looks ahead, as NAdam does",
        "A variant that other libraries offer.",
        (
            Edit(
                "microgpt",
                UPDATE,
                UPDATE.replace(
                    "rate * m_hat",
                    "rate * (self.beta1 * m_hat + (1.0 - self.beta1) * g / (correction1 or 1.0))",
                ),
            ),
        ),
    ),
    Mutant(
        "plain-gradient-descent",
        "parameters move by the rate times the gradient",
        "No Adam at all.",
        (Edit("microgpt", UPDATE, "            yield p - rate * g, m, v\n"),),
    ),
    Mutant(
        "gradients-clipped",
        "gradients are clipped to 1",
        "A habit from larger models.",
        (Edit("microgpt", M, "            g = min(max(g, -1.0), 1.0)\n" + M),),
    ),
    Mutant(
        "moments-reset-each-step",
        "the moments start at zero in each step",
        "The optimizer is made inside the loop.",
        (
            Edit(
                "microgpt",
                ADVANCE,
                "        self.m, self.v = [0.0] * len(values), [0.0] * len(values)\n" + ADVANCE,
            ),
        ),
    ),
    Mutant(
        "step-not-counted",
        "the optimizer stays at its first step",
        "A counter that is a copy.",
        (
            Edit(
                "microgpt",
                "        updated = self.optimizer.update(\n            self.step,",
                "        updated = self.optimizer.update(\n            0,",
            ),
        ),
    ),
    Mutant(
        "schedule-one-step-on",
        "the learning rate is that of the next step",
        "Steps are counted from 1.",
        (Edit("microgpt", STEP, STEP.replace("float(step)", "float(step + 1)")),),
    ),
    Mutant(
        "schedule-ends-at-zero",
        "the schedule is divided by N - 1, so that it ends at zero",
        "linspace includes its end.",
        (Edit("microgpt", STEP, STEP.replace("float(self.steps)", "float(max(1, self.steps - 1))")),),
    ),
    Mutant(
        "schedule-constant",
        "the learning rate is constant",
        "The schedule is left for later.",
        (
            Edit("microgpt", LINEAR, LINEAR.replace(" * (1.0 - s / n)", "")),
            Edit("microgpt", COSINE, "        return self.learning_rate\n"),
        ),
    ),
    Mutant(
        "schedule-multiplied-out",
        "the linear schedule is lr * (N - s) / N",
        "The same fraction, rounded elsewhere.",
        (Edit("microgpt", LINEAR, "            return self.learning_rate * (n - s) / n\n"),),
        rounding=True,
    ),
    Mutant(
        "schedules-exchanged",
        "linear and cosine are exchanged",
        "A test that is the wrong way round.",
        (
            Edit(
                "microgpt",
                '        if self.schedule == "linear":\n',
                '        if self.schedule != "linear":\n',
            ),
        ),
    ),
    Mutant(
        "cosine-of-the-fraction",
        "the cosine schedule takes pi * (s / N)",
        "The same angle, rounded elsewhere.",
        (Edit("microgpt", COSINE, COSINE.replace("(PI * s) / n", "PI * (s / n)")),),
        rounding=True,
    ),
    Mutant(
        "cosine-without-its-half",
        "the cosine schedule lacks its factor 1/2",
        "1 + cos runs from 2 to 0.",
        (Edit("microgpt", COSINE, COSINE.replace("(self.learning_rate * 0.5)", "self.learning_rate")),),
    ),
    Mutant(
        "half-a-cosine",
        "the cosine schedule falls over a quarter of the circle",
        "cos(pi/2 * s/N) looks much the same.",
        (Edit("microgpt", COSINE, "        return self.learning_rate * maths.cos((PI * 0.5 * s) / n)\n"),),
    ),
    Mutant(
        "short-pi",
        "pi is 3.14159265",
        "Typed from memory.",
        (Edit("microgpt", "PI = 3.141592653589793\n", "PI = 3.14159265\n"),),
    ),
    Mutant(
        "warm-up",
        "the learning rate rises over the first ten steps",
        "A habit from larger models.",
        (
            Edit(
                "microgpt",
                "        rate = self.rate(step)\n",
                "        rate = self.rate(step) * min(1.0, (step + 1) / 10.0)\n",
            ),
        ),
    ),
]
