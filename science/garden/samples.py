"""One GPT and one 6-gram for each dataset of the garden: samples, and how many of them are right and new.

Both learn from the training part and draw at the same temperature. The GPT has one size for all datasets but
for its block, which has room for the longest line and its end. Every number is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reference import microgpt
from reference.app import engine as engines
from reference.app import garden, judging, trainer
from reference.app.engine import Engine
from reference.app.modelfile import Model
from science.seed_quality.ngram import Ngram

STEPS = 4096
EMBEDDING = 32
ORDER = 6
SHOWN = 10
Json = dict[str, Any]
Told = Callable[[str, str], None]
"""Is told the name of each dataset when its turn comes, and who computes."""


def silent(name: str, engine: str) -> None:
    """Nobody watches."""


def all_sets(told: Told = silent) -> Json:
    """What results/science/garden.json holds. Raises Refusal if an engine fails."""
    with engines.chosen("auto") as engine:
        made = {}
        for name in garden.names():
            told(name, engine.name)
            made[name] = one_set(name, engine)
    how = {
        "steps": STEPS,
        "embedding": EMBEDDING,
        "order": ORDER,
        "temperature": judging.TEMPERATURE,
        "judged": judging.SAMPLES,
    }
    return {"how": how, "datasets": made}


def one_set(name: str, engine: Engine, steps: int = STEPS, judged: int = judging.SAMPLES) -> Json:
    model = train(name, engine, steps)
    return {
        "block": model.training.config.block,
        "parameters": len(model.training.m),
        "gpt": by_gpt(name, model, engine, judged),
        "ngram": by_ngram(name, model, judged),
    }


def train(name: str, engine: Engine, steps: int) -> Model:
    sizes = {"embedding": EMBEDDING, "block": garden.card(name).facts["greatest_length"] + 1}
    run, model = trainer.start(garden.training_part(name), "classic", steps, "exact", 42, sizes)
    while not model.finished:
        engine.advance(run)
    return model


def by_gpt(name: str, model: Model, engine: Engine, judged: int) -> Json:
    verdict = judging.judge(name, model, engine, judged)
    drawn = engine.sample(model.training, judging.TEMPERATURE, SHOWN, judging.SEED)
    return {
        "validity": verdict.validity,
        "novelty": verdict.novelty,
        "distinctness": verdict.distinctness,
        "held_out_bits": verdict.held_out_bits,
        "samples": list(map(model.tokenizer.decode, drawn)),
    }


def by_ngram(name: str, model: Model, judged: int) -> Json:
    """With the GPT's tokenizer and no more room than its block."""
    tokenizer, block = model.tokenizer, model.training.config.block
    learned = map(tokenizer.encode, microgpt.documents_of(garden.training_part(name).lines))
    ngram = Ngram(ORDER, tokenizer.vocabulary, learned)
    generator = microgpt.Generator(judging.SEED)
    drawn = [ngram.sample(judging.TEMPERATURE, block, generator) for _ in range(judged)]
    texts = list(map(tokenizer.decode, drawn))
    validity, novelty, distinctness = judging.shares(name, texts)
    known = set(tokenizer.characters)
    held_out = [line for line in garden.lines_of(name) if garden.is_held_out(line) and set(line) <= known]
    return {
        "validity": validity,
        "novelty": novelty,
        "distinctness": distinctness,
        "held_out_bits": ngram.bits(map(tokenizer.encode, held_out)),
        "samples": texts[:SHOWN],
    }
