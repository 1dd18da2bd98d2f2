"""Claims on what every server does, and on what a request may say."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from serving import SMALL

from reference import microgpt
from reference.app import engine, modelfile, sampler
from reference.app.refusal import Refusal
from reference.app.serving import core, messages

pytest.importorskip("msgspec")


@pytest.fixture(autouse=True)
def no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "providers", lambda: [])


def train(folder: Path, **fields: Any) -> tuple[messages.Trained, list[messages.Progress]]:
    reports: list[messages.Progress] = []
    request = messages.read(messages.Train, {"name": "new", "dataset": "timezones", **SMALL, **fields})
    return core.train(folder, request, reports.append), reports


def test_a_model_is_listed_with_its_facts_and_a_broken_one_with_what_is_wrong(
    models: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "not a name.json").write_text("{")
    found = core.list_models(tmp_path, messages.ListModels())
    [small] = found.models
    assert (small.name, small.steps_done, small.block) == ("small", 7, 8)
    assert len(found.unreadable) == 1 and "broken.json is truncated" in found.unreadable[0]
    assert len(found.datasets) >= 15


def test_a_model_that_changed_is_read_again(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    path.write_bytes((models / "small.json").read_bytes())
    before = core.load(tmp_path, "small")
    assert core.load(tmp_path, "small") is before
    path.write_text(path.read_text() + "\n")
    assert core.load(tmp_path, "small") is not before


def test_samples_are_those_of_the_command_line(models: Path) -> None:
    drawn = core.generate(models, messages.Generate("small", count=3, seed=5, start="Asia", top_k=4))
    how = sampler.How(0.5, 5, "Asia", 4)
    right = list(sampler.samples(modelfile.load(models / "small.json"), 3, how))
    assert [sample.text for sample in drawn.samples] == [sample.text for sample in right]
    assert all(sample.text.startswith("Asia") for sample in drawn.samples)


def test_without_top_k_and_beginning_samples_are_those_of_the_reference(models: Path) -> None:
    model = modelfile.load(models / "small.json")
    generator = microgpt.Generator(9)
    right = [
        microgpt.sample(model.training.config, model.training.parameters, 0.7, generator) for _ in range(4)
    ]
    drawn = core.generate(models, messages.Generate("small", count=4, seed=9, temperature=0.7))
    assert [sample.text for sample in drawn.samples] == list(map(model.tokenizer.decode, right))


@pytest.mark.parametrize(("text", "scored", "complete"), [("Asia", 5, True), ("Asia/Tashkent", 8, False)])
def test_a_score_is_the_reference_s_loss_and_its_characters_make_it_up(
    models: Path,
    text: str,
    scored: int,
    complete: bool,
) -> None:
    model = modelfile.load(models / "small.json")
    training, tokens = model.training, model.tokenizer.encode(text)
    found = core.score(models, messages.Score("small", text))
    assert found.loss == microgpt.document_loss(training.config, training.parameters, tokens).data
    assert found.bits_per_character == pytest.approx(found.loss / math.log(2))
    assert (len(found.characters), found.complete) == (scored, complete)
    assert "".join(one.character for one in found.characters) == text[:8]
    assert sum(one.loss for one in found.characters) / scored == pytest.approx(found.loss)


def test_training_is_that_of_the_command_line_and_reports_its_end(models: Path, tmp_path: Path) -> None:
    trained, reports = train(tmp_path)
    assert (tmp_path / "new.json").read_bytes() == (models / "small.json").read_bytes()
    assert (tmp_path / "new.card.json").is_file()
    assert trained.engine == "reference" and trained.model.steps_done == 7
    assert reports[0].step == 1 and reports[-1].step == reports[-1].steps == 7


def test_a_training_that_was_stopped_goes_on_with_the_same_bits(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core, "CHECKPOINT_EVERY", 2)

    class Killed(BaseException):
        pass

    def kill(progress: messages.Progress) -> None:
        if progress.step == 5:
            raise Killed

    monkeypatch.setattr(core, "REPORT_SECONDS", 0.0)
    request = messages.read(messages.Train, {"name": "new", "dataset": "timezones", **SMALL})
    with pytest.raises(Killed):
        core.train(tmp_path, request, kill)
    assert modelfile.load(tmp_path / "new.json").training.step == 4
    request = messages.Train("new", "timezones", resume=True)
    core.train(tmp_path, request, lambda progress: None)
    assert (tmp_path / "new.json").read_bytes() == (models / "small.json").read_bytes()


REFUSED = [
    (messages.Generate, {"model": "none"}, "there is no model 'none'"),
    (messages.Generate, {}, "missing required field model"),
    (messages.Generate, {"model": "../small"}, "model: expected up to 64 of A-Z a-z 0-9 _ -"),
    (messages.Generate, {"model": "small\n"}, "model: expected up to 64 of A-Z a-z 0-9 _ -"),
    (messages.Generate, {"model": "small", "count": 101}, "count: expected int <= 100, not 101"),
    (messages.Generate, {"model": "small", "count": "9"}, "count: expected int, got str"),
    (messages.Generate, {"model": "small", "temperature": math.nan}, "temperature: expected float"),
    (
        messages.Generate,
        {"model": "small", "number": 1},
        "unknown field number; the fields are: model, count",
    ),
    (messages.Generate, {"model": "small", "start": "é"}, "has not seen the character 'é'"),
    (messages.Generate, {"model": "small", "start": "AsiaAsia"}, "has 8 characters"),
    (messages.Score, {"model": "small", "text": ""}, "text: expected str of length >= 1"),
    (messages.Score, {"model": "small", "text": "ab\u0000"}, "has not seen the character '\\x00'"),
    (
        messages.Score,
        {"model": "small", "text": "a" * 1025},
        "text: expected str of length <= 1024, not 'aaa",
    ),
    (messages.Train, {"name": "small", "dataset": "sums"}, "exists already: choose another name"),
    (messages.Train, {"name": "x", "dataset": "sums", "resume": True}, "no model 'x' to resume"),
    (messages.Train, {"name": "x", "dataset": "roses"}, "has no dataset 'roses': it has chords"),
    (messages.Train, {"name": "x", "dataset": "sums", "steps": 2001}, "steps: expected int <= 2000"),
    (messages.Train, {"name": "x", "dataset": "sums", "embedding": 30}, "multiple of the 4 heads"),
    (
        messages.Train,
        {"name": "x", "dataset": "sums", "embedding": 64, "layers": 2, "block": 64},
        "the reference needs too much memory",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "reason"), REFUSED)
def test_a_wrong_request_gets_a_sentence(
    kind: type[messages.Request],
    fields: dict[str, Any],
    reason: str,
    models: Path,
) -> None:
    work: dict[type[messages.Request], Any] = {messages.Generate: core.generate, messages.Score: core.score}
    with pytest.raises(Refusal) as refused:
        request = messages.read(kind, fields)
        if isinstance(request, messages.Train):
            core.train(models, request, lambda progress: None)
        else:
            work[kind](models, request)
    assert reason in str(refused.value) and "\n" not in str(refused.value)
    assert {path.name for path in models.iterdir()} == {"small.json", "small.card.json"}


def test_a_full_folder_takes_no_more_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MOST_MODELS", 1)
    (tmp_path / "one.json").touch()
    with pytest.raises(Refusal, match="there are 1 models already"):
        train(tmp_path)
