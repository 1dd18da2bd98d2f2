"""Samples from a saved model, with their probabilities and, if wanted, a given beginning."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

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


class Reader:
    """Reads one text, token by token. It keeps numbers and no graph: a large model would need gigabytes."""

    def __init__(self, model: Model) -> None:
        """Sets the math of this process to the model's."""
        microgpt.use_math(model.math)
        self._training = model.training
        self._caches = microgpt.empty_caches(model.training.config)
        self._position = 0

    def logits(self, token: int) -> list[float]:
        """What may follow `token`, which stands after all the earlier ones."""
        training = self._training
        logits = microgpt.gpt(training.config, training.parameters, token, self._position, self._caches)
        for cache in self._caches:
            for kept in (cache.keys, cache.values):
                kept[-1] = [microgpt.Value(value.data) for value in kept[-1]]
        self._position += 1
        return [logit.data for logit in logits]


def softmax(logits: Iterable[float]) -> list[float]:
    return [p.data for p in microgpt.softmax([microgpt.Value(logit) for logit in logits])]


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
    generator = microgpt.Generator(0)
    generator.setstate((model.generator if seed is None else microgpt.Generator(seed)).getstate())
    for _ in range(count):
        yield draw(model, how, generator, watch)


def draw(model: Model, how: How, generator: microgpt.Generator, also: microgpt.Draw | None = None) -> Sample:
    """As `microgpt.sample` draws. The given beginning uses up no random number."""
    bos, start = model.tokenizer.bos, model.tokenizer.encode(how.start)[1:-1]
    reader, token = Reader(model), bos
    tokens: list[int] = []
    logarithms: list[float] = []
    for position in range(model.training.config.block):
        probabilities = softmax(divided(reader.logits(token), how.temperature))
        if position < len(start):
            token = start[position]
        else:
            weights = likeliest(probabilities, how.top_k) if how.top_k else probabilities
            try:
                [token] = generator.choices(range(bos + 1), weights=weights)
            except ValueError:
                raise Refusal(
                    f"--temperature {how.temperature} is too small for this model: try 0.01 or more"
                ) from None
        logarithms.append(microgpt.maths.log(probabilities[token]))
        if also is not None:
            also(probabilities, token)
        if token == bos:
            break
        tokens.append(token)
    return Sample(model.tokenizer.decode(tokens), tokens, sum(logarithms), token == bos)


def divided(logits: Iterable[float], temperature: float) -> list[float]:
    return [(microgpt.Value(logit) / temperature).data for logit in logits]
