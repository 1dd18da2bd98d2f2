"""The mistakes that change how a program learns or samples, as changes of the engine's settings.

A mistake that only moves results by rounding (float32, other sums) cannot be seen by chances, and is not
here. `mutant` is the same mistake in the catalogue, for which tests hold the engine to the reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reference import microgpt

OTHERS = {"classic": "seed", "seed": "classic"}


@dataclass(frozen=True)
class Mistake:
    """`what` ends the sentence "this is what you get when ..."."""

    name: str
    what: str
    changes: dict[str, float] = field(default_factory=dict)
    mutant: str | None = None


def mistakes(preset: str) -> list[Mistake]:
    """Those that a run of this preset can have. Their sigmas and betas are the preset's own, changed."""
    whole, other = microgpt.PRESETS[preset], microgpt.PRESETS[OTHERS[preset]]
    sigma, output = whole.sigma, whole.output_sigma
    b1, b2 = other.optimizer.beta1, other.optimizer.beta2
    listed = [
        Mistake(
            "sigma-times-ten",
            f"the initial sigma is {10 * sigma:g} and not {sigma:g}",
            {"sigma": 10 * sigma, "output_sigma": 10 * output},
        ),
        Mistake(
            "sigma-of-another-version",
            f"the initial sigma is {other.sigma:g} and not {sigma:g}",
            {"sigma": other.sigma, "output_sigma": output and other.sigma},
            "sigma-of-another-version",
        ),
        Mistake(
            "sigma-of-one",
            f"the initial sigma is 1 and not {sigma:g}",
            {"sigma": 1.0, "output_sigma": 1.0 if output else 0.0},
        ),
        Mistake(
            "gauss-takes-a-variance",
            f"the initial sigma is {sigma**0.5:.2g}, the root of {sigma:g}",
            {"sigma": sigma**0.5, "output_sigma": output**0.5},
            "gauss-takes-a-variance",
        ),
        Mistake("uniform-parameters", "initial parameters are uniform", {"uniform": 1}),
        Mistake("no-bias-correction", "Adam has no bias correction", {"correction": 1}, "no-bias-correction"),
        Mistake(
            "no-correction-of-v",
            "only the first moment is corrected",
            {"correction": 2},
            "no-correction-of-v",
        ),
        Mistake(
            "betas-of-libraries",
            "the betas are 0.9 and 0.999, as libraries have them",
            {"beta1": 0.9, "beta2": 0.999},
        ),
        Mistake("betas-of-another-version", f"the betas are {b1:g} and {b2:g}", {"beta1": b1, "beta2": b2}),
        Mistake("rate-times-ten", "the learning rate is 0.1", {"rate": 0.1}),
        Mistake("rate-over-ten", "the learning rate is 0.001", {"rate": 0.001}),
        Mistake("schedule-constant", "the learning rate is constant", {"schedule": 2}, "schedule-constant"),
        Mistake(
            "schedules-exchanged",
            "linear and cosine schedule are exchanged",
            {"schedule": 1 if whole.optimizer.schedule == "linear" else 0},
            "schedules-exchanged",
        ),
        Mistake(
            "plain-gradient-descent",
            "parameters move by the rate times the gradient, without Adam",
            {"adam": 0},
            "plain-gradient-descent",
        ),
        Mistake("weight-decay", "weights decay by 0.01 of the rate", {"decay": 0.01}, "weight-decay"),
        Mistake(
            "gradients-not-reset",
            "gradients are not reset before a step",
            {"reset": 0},
            "gradients-not-reset",
        ),
        Mistake(
            "keys-and-values-without-history",
            "gradients reach the keys and values of the current position only",
            {"history": 0},
            "keys-and-values-without-history",
        ),
        Mistake(
            "norm-without-division-by-n",
            "rmsnorm takes the sum of squares and not their mean",
            {"norm": 1},
            "norm-without-division-by-n",
        ),
        Mistake("norm-missing", "nothing is normalized", {"norm": 2}),
        Mistake("layer-norm", "the norm subtracts the mean first", {"norm": 3}, "layer-norm"),
        Mistake(
            "norm-with-constant-scale",
            "the scale of rmsnorm is a constant in backward",
            {"norm": 4},
            "norm-with-constant-scale",
        ),
        Mistake(
            "first-norm-missing", "the embedding is not normalized", {"first_norm": 0}, "first-norm-missing"
        ),
        Mistake(
            "final-norm-added",
            "the last activations are normalized before lm_head",
            {"final_norm": 1},
            "final-norm-added",
        ),
        Mistake(
            "attention-residual-missing",
            "the attention's result replaces x and is not added to it",
            {"attention_residual": 0},
            "attention-residual-missing",
        ),
        Mistake(
            "feed-forward-residual-missing",
            "the feed-forward layer's result replaces x and is not added to it",
            {"feed_forward_residual": 0},
            "feed-forward-residual-missing",
        ),
        Mistake("position-missing", "positions are not embedded", {"positions": 0}, "position-missing"),
        Mistake("scale-missing", "scores are not scaled", {"scaled": 0}, "scale-missing"),
        Mistake("gelu", "the activation is gelu", {"activation": 2}, "gelu"),
        Mistake(
            "activation-of-another-version",
            f"the activation is {other.config.activation.replace('_', ' ')}",
            {"activation": 0 if whole.config.activation == "squared_relu" else 1},
        ),
        Mistake("tied-embeddings", "lm_head is wte", {"tied": 1}),
        Mistake(
            "summed-loss",
            "the loss is the sum over the positions and not their mean",
            {"loss": 1},
            "summed-loss",
        ),
        Mistake(
            "mean-over-the-block",
            "the loss is divided by the block's length",
            {"loss": 2},
            "mean-over-the-block",
        ),
        Mistake(
            "target-is-the-current-token",
            "the target is the current token and not the next",
            {"current_target": 1},
            "target-is-the-current-token",
        ),
        Mistake("documents-not-shuffled", "the documents are not shuffled", {"documents": 1}),
        Mistake("one-document", "every step takes the first document", {"documents": 3}),
        Mistake(
            "documents-cut-by-one", "documents lose their last letter", {"cut": 1}, "documents-cut-by-one"
        ),
        Mistake("no-bos-at-the-end", "documents do not end with BOS", {"bos_after": 0}, "no-bos-at-the-end"),
        Mistake(
            "no-bos-at-the-start", "documents do not begin with BOS", {"bos_before": 0}, "no-bos-at-the-start"
        ),
        Mistake(
            "adam-eps-inside-the-root",
            "Adam adds its epsilon inside the root",
            {"epsilon_inside": 1},
            "adam-eps-inside-the-root",
        ),
        Mistake(
            "loss-averaged",
            "what is printed is a moving average of the losses",
            {"average": 0.9},
            "loss-averaged",
        ),
        Mistake(
            "loss-averaged-slowly",
            "what is printed is a slow moving average of the losses",
            {"average": 0.99},
        ),
        Mistake(
            "temperature-unused", "the temperature is never used", {"temperature": 1.0}, "temperature-unused"
        ),
        Mistake("greedy", "the likeliest token is always taken", {"temperature": 1e-3}, "greedy"),
    ]
    if not output:
        listed.append(
            Mistake(
                "output-projections-like-the-others",
                "attn_wo and mlp_fc2 have the sigma of all others",
                {"output_sigma": sigma},
                "output-projections-like-the-others",
            )
        )
    return listed
