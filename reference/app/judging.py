"""How good a model is at its dataset: held-out loss, and how many samples are right, new and different."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reference import microgpt
from reference.app import garden
from reference.app.engine import MOST_SAMPLES, Engine
from reference.app.modelfile import Model
from reference.app.refusal import Refusal

SAMPLES = 200
SEED = 1
TEMPERATURE = 0.5


@dataclass(frozen=True)
class Verdict:
    """`validity`, `novelty` and `distinctness` are shares of all samples. Novel: right and not trained on.

    `found_held_out` counts different samples that are held-out lines. `held_out_bits` is the mean loss of a
    character or end of the held-out part, in bits, as far as the block reaches; None if the model does not
    know some character of every held-out line.
    """

    dataset: str
    dataset_sha256: str
    check: str
    samples: int
    temperature: float
    seed: int
    validity: float
    novelty: float
    distinctness: float
    found_held_out: int
    held_out_bits: float | None


def judge(name: str, model: Model, engine: Engine, samples: int) -> Verdict:
    """Raises Refusal if the model was trained on something else, so that the figures would mislead."""
    card, part = garden.card(name), garden.training_part(name)
    if model.trained_on.sha256 != part.sha256:
        raise Refusal(
            f"the model was trained on {model.trained_on.file}, not on the training part of {name}: "
            f"'microgpt garden train {name}' makes one that can be checked"
        )
    if not 1 <= samples <= MOST_SAMPLES:
        raise Refusal(f"--samples takes 1 to {MOST_SAMPLES}, not {samples}")
    tokens = engine.sample(model.training, TEMPERATURE, samples, SEED)
    texts = [model.tokenizer.decode(one) for one in tokens]
    validity, novelty, distinctness = shares(name, texts)
    held_out = {line for line in garden.lines_of(name) if garden.is_held_out(line)}
    return Verdict(
        dataset=name,
        dataset_sha256=card.facts["sha256"],
        check=card.check,
        samples=samples,
        temperature=TEMPERATURE,
        seed=SEED,
        validity=validity,
        novelty=novelty,
        distinctness=distinctness,
        found_held_out=len(held_out & set(texts)),
        held_out_bits=bits(model, engine, sorted(held_out)),
    )


def shares(name: str, texts: Sequence[str]) -> tuple[float, float, float]:
    """Of these made-up texts: the shares that are right, right and not trained on, and different."""
    check, trained = garden.checker(name), set(garden.training_part(name).lines)
    right = [text for text in texts if check(text)]
    new = sum(text not in trained for text in right)
    return len(right) / len(texts), new / len(texts), len(set(texts)) / len(texts)


def bits(model: Model, engine: Engine, lines: list[str]) -> float | None:
    known = set(model.tokenizer.characters)
    documents = [model.tokenizer.encode(line) for line in lines if set(line) <= known]
    if not documents:
        return None
    counts = [min(model.training.config.block, len(document) - 1) for document in documents]
    losses = engine.losses(model.training, documents)
    total = sum(loss * count for loss, count in zip(losses, counts, strict=True))
    return total / sum(counts) / math.log(2.0)


def model_card(model: Model, verdict: Verdict, engine: Engine) -> dict[str, Any]:
    """What somebody should know of a model before using it."""
    config, losses, card = model.training.config, model.last_losses, garden.card(verdict.dataset)
    return {
        "dataset": {
            "name": card.name,
            "sha256": verdict.dataset_sha256,
            "training_part_sha256": model.trained_on.sha256,
            "source": card.source,
            "licence": card.licence,
            "notice": card.notice,
        },
        "preset": model.preset,
        "sizes": {
            size: getattr(config, size) for size in ("layers", "heads", "embedding", "block", "vocabulary")
        },
        "parameters": len(microgpt.flatten(model.training.parameters)),
        "seed": model.seed,
        "steps": model.training.step,
        "engine": engine.name,
        "last_loss": sum(losses) / len(losses),
        "samples": asdict(verdict),
    }


def write_card(path: Path, card: dict[str, Any]) -> Path:
    """Write the card beside the model `path`, and say where. Raises Refusal if that cannot be done."""
    beside = path.with_suffix(".card.json")
    try:
        beside.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as problem:
        raise Refusal(f"cannot write the model card {beside}: {problem.strerror}") from None
    return beside
