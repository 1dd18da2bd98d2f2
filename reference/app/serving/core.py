"""What every server does: list models, generate, score and train, each from a request to a reply.

Models are the files NAME.json of one folder. Each function raises Refusal for what the asker has to mend.
Limits on time and numbers are `desk.py`'s.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from reference import microgpt
from reference.app import engine as engines
from reference.app import garden, judging, modelfile, sampler, trainer
from reference.app.engine import Engine
from reference.app.modelfile import Model
from reference.app.refusal import Refusal
from reference.app.serving import messages
from reference.app.serving.messages import NAME
from reference.app.watching import Show

MODELS_IN_MEMORY = 16
CHECKPOINT_EVERY = 100  # steps; what a training that is ended from outside loses at most
MOST_BY_REFERENCE = 1_000_000  # parameters times block: a graph of about half a gigabyte
REPORT_SECONDS = 0.1

Report = Callable[[messages.Progress], None]


class Unknown(Refusal):
    """There is no model of that name."""


def list_models(folder: Path, request: messages.ListModels) -> messages.Models:
    found: list[messages.ModelFacts] = []
    unreadable: list[str] = []
    for path in sorted(folder.glob("*.json")):
        if NAME.fullmatch(path.stem):
            try:
                found.append(facts(path.stem, load(folder, path.stem)))
            except Refusal as problem:
                unreadable.append(str(problem))
    cards = map(garden.card, garden.names())
    datasets = [messages.Dataset(card.name, card.title, card.facts["lines"]) for card in cards]
    return messages.Models(found, unreadable, datasets)


def facts(name: str, model: Model) -> messages.ModelFacts:
    training, losses = model.training, model.last_losses
    return messages.ModelFacts(
        name=name,
        dataset=model.trained_on.file,
        preset=model.preset,
        math=model.math,
        parameters=len(training.m),
        block=training.config.block,
        characters="".join(model.tokenizer.characters),
        steps_done=training.step,
        steps=model.steps,
        loss=sum(losses) / len(losses) if losses else None,
    )


def load(folder: Path, name: str) -> Model:
    """The model of that name, read again only if its file has changed."""
    path = folder / f"{name}.json"
    try:
        status = path.stat()
    except OSError:
        raise Unknown(f"there is no model {name!r}: list_models says which there are") from None
    return _load(path, status.st_mtime_ns, status.st_size)


@lru_cache(MODELS_IN_MEMORY)
def _load(path: Path, changed: int, size: int) -> Model:
    return modelfile.load(path)


def generate(folder: Path, request: messages.Generate) -> messages.Generated:
    model = load(folder, request.model)
    how = sampler.How(request.temperature, request.seed, request.start, request.top_k)
    drawn = [
        messages.Sample(sample.text, sample.log_probability, sample.complete)
        for sample in sampler.samples(model, request.count, how)
    ]
    return messages.Generated(request.model, drawn)


def score(folder: Path, request: messages.Score) -> messages.Scores:
    model = load(folder, request.model)
    characters = model.tokenizer.characters
    for character in request.text:
        if character not in characters:
            raise Refusal(f"the model {request.model!r} has not seen the character {character!r} of text")
    tokens, reader = model.tokenizer.encode(request.text), sampler.Reader(model)
    block = model.training.config.block
    losses: list[messages.Scored] = []
    for token, following in zip(tokens[:block], tokens[1:], strict=False):
        probability = sampler.softmax(reader.logits(token))[following]
        character = "" if following == model.tokenizer.bos else characters[following]
        if probability == 0.0:
            raise Refusal(
                f"the model gives {character or 'the end'!r} the probability 0: the loss is infinite"
            )
        losses.append(messages.Scored(character, -microgpt.maths.log(probability)))
    total = microgpt.add_up(microgpt.Value(one.loss) for one in losses)
    loss = ((1.0 / len(losses)) * total).data
    return messages.Scores(request.model, loss, loss / math.log(2.0), len(tokens) <= block + 1, losses)


def train(folder: Path, request: messages.Train, report: Report) -> messages.Trained:
    """Train as `microgpt garden train` does. It is saved as it goes, with a model card at its end."""
    path, data = folder / f"{request.name}.json", garden.training_part(request.dataset)
    exists = modelfile.check_target(path)
    if exists and not request.resume:
        raise Refusal(f"the model {request.name!r} exists already: choose another name, or say resume")
    if request.resume and not exists:
        raise Unknown(f"there is no model {request.name!r} to resume: leave out resume to begin it")
    names = [path.stem for path in folder.glob("*.json") if NAME.fullmatch(path.stem)]
    if not exists and len(names) >= messages.MOST_MODELS:
        raise Refusal(f"there are {messages.MOST_MODELS} models already: remove some from {folder} first")
    sizes = {size: getattr(request, size) for size in trainer.SIZES}
    if request.resume:
        chosen = {"preset": request.preset, "steps": request.steps, "seed": request.seed}
        run, model = trainer.resume(path, data, chosen | sizes)
    else:
        preset = request.preset or "classic"
        run, model = trainer.start(data, preset, request.steps, "exact", request.seed, sizes)

    @contextmanager
    def display(model: Model, engine: Engine) -> Iterator[Show]:
        step, last = model.training.step, 0.0

        def show(loss: float) -> None:
            nonlocal step, last
            step += 1  # a port does many at once, and the model is at the last of them
            now = time.monotonic()
            if step == model.steps or (step == model.training.step and now - last >= REPORT_SECONDS):
                last = now
                report(messages.Progress(step, model.steps, loss))

        yield show

    with engines.chosen("auto", model.math) as engine:
        if (
            engine.name == Engine.name
            and len(model.training.m) * model.training.config.block > MOST_BY_REFERENCE
        ):
            raise Refusal("no built port is at hand, and the reference needs too much memory for this size")
        if trainer.train(run, model, path, CHECKPOINT_EVERY, engine, display):
            raise Refusal(f"the training of {request.name!r} was stopped: resume goes on with it")
        verdict = judging.judge(request.dataset, model, engine, judging.SAMPLES)
        judging.write_card(path, judging.model_card(model, verdict, engine))
        return messages.Trained(
            facts(request.name, model),
            engine.name,
            verdict.validity,
            verdict.novelty,
            verdict.distinctness,
            verdict.held_out_bits,
        )
