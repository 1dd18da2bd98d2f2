"""Samples from a saved model, with their probabilities and, if wanted, a given beginning."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reference import microgpt
from reference.app.modelfile import Model
from reference.app.refusal import Refusal


@dataclass(frozen=True)
class Sample:
    """One text that the model made up. BOS is not among the tokens."""

    text: str
    tokens: list[int]
    log_probability: float  # natural; of every token, those of a given beginning and the final BOS included
    complete: bool  # whether the model ended it, rather than ran out of room


@dataclass(frozen=True)
class How:
    """How to draw: `seed` of a new stream or None, how each sample begins, from how many of the likeliest."""

    temperature: float
    seed: int | None = None
    start: str = ""
    top_k: int | None = None


class Prompted(microgpt.Generator):
    """A generator whose first choices are given, which uses up no random number, and others limited."""

    given: Iterator[int] = iter(())
    top_k: int | None = None

    def choices(self, *arguments: Any, **options: Any) -> list[Any]:
        token = next(self.given, None)
        if token is not None:
            return [token]
        if self.top_k:
            options["weights"] = likeliest(options["weights"], self.top_k)
        return super().choices(*arguments, **options)


def likeliest(weights: Sequence[float], count: int) -> list[float]:
    """The `count` greatest weights, the earlier of equals first, and 0 for all others."""
    kept = set(sorted(range(len(weights)), key=lambda i: (-weights[i], i))[:count])
    return [weight if i in kept else 0.0 for i, weight in enumerate(weights)]


def samples(model: Model, count: int, how: How, watch: microgpt.Draw | None = None) -> Iterator[Sample]:
    """Draw `count` samples as `how` says; `watch` sees each draw, with probabilities before top_k.

    The random numbers go on where the model's training left them, or begin again from `seed`. Raises Refusal
    if the model cannot begin like this, or the temperature leaves no probabilities.
    """
    tokenizer, config, start, seed = model.tokenizer, model.training.config, how.start, how.seed
    unknown = [character for character in start if character not in tokenizer.characters]
    if unknown:
        known = "".join(tokenizer.characters)
        known = known if len(known) <= 60 else known[:60] + "…"
        raise Refusal(f"the model has not seen the character {unknown[0]!r} of --start: it knows {known!r}")
    if len(start) >= config.block:
        raise Refusal(
            f"--start has {len(start)} characters, but a text of this model has {config.block} at the most: "
            f"give up to {config.block - 1}"
        )
    microgpt.use_math(model.math)
    generator = Prompted(0)
    generator.top_k = how.top_k
    generator.setstate((model.generator if seed is None else microgpt.Generator(seed)).getstate())
    for _ in range(count):
        generator.given = iter(tokenizer.encode(start)[1:-1])
        yield draw(model, how.temperature, generator, watch)


def draw(
    model: Model, temperature: float, generator: microgpt.Generator, also: microgpt.Draw | None = None
) -> Sample:
    logarithms: list[float] = []
    drawn: list[int] = []

    def watch(probabilities: list[float], token: int) -> None:
        logarithms.append(microgpt.maths.log(probabilities[token]))
        drawn.append(token)
        if also is not None:
            also(probabilities, token)

    training = model.training
    try:
        tokens = microgpt.sample(training.config, training.parameters, temperature, generator, watch)
    except ValueError:
        raise Refusal(f"--temperature {temperature} is too small for this model: try 0.01 or more") from None
    complete = drawn[-1] == model.tokenizer.bos
    return Sample(model.tokenizer.decode(tokens), tokens, sum(logarithms), complete)
