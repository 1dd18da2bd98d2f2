"""Claims on model files: they keep every bit, are whole or not there, and a bad one gets one sentence."""

import json
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import refusal

from reference import microgpt
from reference.app import modelfile
from reference.app.refusal import Refusal
from reference.protocol.wire import bits, hexadecimal

ODD_NUMBERS = (0.0, -0.0, 5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, 0.1, -1.0 / 3.0)
NAN, INFINITY = "7ff8000000000000", "fff0000000000000"
ONE = hexadecimal(1.0)


def numbers_of(model: modelfile.Model) -> list[float]:
    values = [value.data for value in microgpt.flatten(model.training.parameters)]
    return [*values, *model.training.m, *model.training.v, *model.last_losses]


# ---------------------------------------------------------------- what is saved comes back


def test_every_bit_comes_back(trained: str) -> None:
    model = modelfile.load(Path(trained))
    values = microgpt.flatten(model.training.parameters)
    for i, number in enumerate(ODD_NUMBERS):
        values[7 * i].data = model.training.m[5 * i] = model.training.v[3 * i] = number
    model.last_losses = list(ODD_NUMBERS)
    model.generator.gauss(0.0, 1.0)  # so that a number is kept
    model.generator.random()
    modelfile.save(model, Path(trained))
    again = modelfile.load(Path(trained))
    assert list(map(bits, numbers_of(again))) == list(map(bits, numbers_of(model)))
    assert again.generator.getstate() == model.generator.getstate()
    assert again.generator.getstate()[2] is not None
    assert again.training.config == model.training.config
    assert again.training.optimizer == model.training.optimizer
    kept = ("trained_on", "preset", "seed", "math", "tokenizer", "steps", "finished")
    assert [getattr(again, key) for key in kept] == [getattr(model, key) for key in kept]


def test_saving_what_was_loaded_gives_the_same_bytes(trained: str) -> None:
    before = Path(trained).read_bytes()
    modelfile.save(modelfile.load(Path(trained)), Path(trained))
    assert Path(trained).read_bytes() == before


def test_any_json_reader_can_read_it(trained: str) -> None:
    """Plain ASCII, and no number in it that only some readers keep."""
    text = Path(trained).read_text("ascii")
    saved = json.loads(text)
    assert saved["format"] == "microgpt model" and saved["version"] == 1
    assert saved["config"]["attention"][:3] == ["0", "0 1", "0 1 2"]
    assert len(saved["parameters"]["wte"]) == 4 and len(saved["parameters"]["wte"][0].split(" ")) == 16
    assert len(saved["generator"]["words"].split(" ")) == 624

    def whole_numbers(value: Any) -> list[int]:
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return [n for item in inside for n in whole_numbers(item)] + [value] * (type(value) is int)

    assert max(whole_numbers(saved)) < 2**53


def test_characters_beyond_ascii_come_back(trained: str) -> None:
    model = modelfile.load(Path(trained))
    model.tokenizer = microgpt.Tokenizer(('"', "é", "\U0001f600"))
    modelfile.save(model, Path(trained))
    assert modelfile.load(Path(trained)).tokenizer == model.tokenizer


def test_only_the_last_hundred_losses_are_kept(trained: str) -> None:
    model = modelfile.load(Path(trained))
    model.last_losses = []
    for i in range(130):
        model.add_loss(float(i))
    assert model.last_losses == [float(i) for i in range(30, 130)]


# ---------------------------------------------------------------- how it is written


def test_a_link_is_followed_and_stays_a_link(trained: str, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to("model.json")
    modelfile.save(modelfile.load(link), link)
    assert link.is_symlink()


def test_a_saved_file_has_ordinary_permissions(trained: str, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        modelfile.save(modelfile.load(Path(trained)), tmp_path / "new.json")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o644


def test_checking_a_place_leaves_nothing_behind(tmp_path: Path) -> None:
    assert modelfile.check_target(tmp_path / "model.json") is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_not_saved(number: float, trained: str, tmp_path: Path) -> None:
    before = Path(trained).read_bytes()
    model = modelfile.load(Path(trained))
    microgpt.flatten(model.training.parameters)[5].data = number
    with pytest.raises(Refusal, match="diverged"):
        modelfile.save(model, Path(trained))
    assert Path(trained).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


# ---------------------------------------------------------------- bad files


def test_a_file_cut_anywhere_is_refused_with_one_sentence(
    trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path(trained).read_bytes()
    for length in (1, 2, 100, 1000, len(whole) // 2, len(whole) - 20, len(whole) - 2):
        Path(trained).write_bytes(whole[:length])
        assert f"{trained} is truncated: it ends in the middle of line" in refusal(
            ["info", "--model", trained], capsys
        )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a model: line 1 is not JSON"),
        (b"anna\nbob\n", "is not a model: line 1 is not JSON"),
        (b'{\n "a": 1,,\n}', "is not a model: line 2 is not JSON"),
        (b'{"format": "microgpt model"} {}', "is not a model: line 1 is not JSON"),
        (b"\x80\x04\x95\x00", "is not a model: it is not text (byte 0 is not UTF-8)"),
        (b"{}", 'is not a model of microgpt: a model has the member "format": "microgpt model"'),
        (b'{"format": "safetensors"}', "is not a model of microgpt"),
        (b"[1, 2]", "is not a model of microgpt"),
        (b"null", "is not a model of microgpt"),
        (b"[" * 100_000, "its lists too deep"),
        (b'{"format": ' + b"9" * 5000 + b"}", "its numbers are too long"),
        (b'{"format": "microgpt model", "version": 2}', "version 2, and this microgpt reads version 1"),
        (b'{"format": "microgpt model", "version": true}', "has the format version true"),
        (b'{"format": "microgpt model"}', "version is missing"),
        (None, "does not exist: 'microgpt train --save "),
    ],
)
def test_what_is_no_model_is_refused_with_one_sentence(
    content: bytes | None, reason: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path(model).write_bytes(content)
    for command in ("info", "generate"):
        assert reason in refusal([command, "--model", model], capsys)


def test_a_folder_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a directory" in refusal(["generate", "--model", str(tmp_path)], capsys)


def put(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """A change that puts something else at a place of the saved model."""

    def change(saved: Any) -> None:
        for key in path[:-1]:
            saved = saved[key]
        saved[path[-1]] = to

    return change


def word(place: int, to: str, *path: str | int) -> Callable[[dict[str, Any]], None]:
    """A change of one word in a row."""

    def change(saved: Any) -> None:
        row = saved
        for key in path:
            row = row[key]
        words = row.split(" ")
        words[place] = to
        put(*path, to=" ".join(words))(saved)

    return change


WQ = ("parameters", "layer0.attn_wq")
DAMAGES = {
    "a word that is no hex": (
        word(4, "3ff000000000000g", *WQ, 3),
        "layer0.attn_wq, row 3, word 5, should be",
    ),
    "a word in capitals": (
        word(0, "3FF0000000000000", *WQ, 0),
        "row 0, word 1, should be one of doubles of 16",
    ),
    "a word that is too short": (word(0, "3ff", "m", "wte", 1), "m.wte, row 1, word 1, should be"),
    "the word NaN": (word(2, "NaN", "v", "wpe", 0), "v.wpe, row 0, word 3, should be"),
    "a NaN": (word(2, NAN, *WQ, 0), "parameters.layer0.attn_wq, row 0, word 3, is nan"),
    "an infinity": (word(2, INFINITY, "v", "lm_head", 2), "v.lm_head, row 2, word 3, is -inf"),
    "two spaces": (word(2, "", *WQ, 0), "row 0, word 3, should be"),
    "a row that is too short": (put(*WQ, 2, to=f"{ONE} {ONE}"), "row 2, should have 16 numbers and not 2"),
    "an empty row": (put(*WQ, 2, to=""), "row 2, should have 16 numbers and not 0"),
    "a row that is a list": (put(*WQ, 2, to=[1.0]), "row 2 should be a string of doubles"),
    "a row too few": (
        lambda saved: saved["parameters"]["wpe"].pop(),
        "parameters.wpe should be a list of 8 rows",
    ),
    "a matrix too few": (lambda saved: saved["m"].pop("layer0.mlp_fc1"), "m.layer0.mlp_fc1 is missing"),
    "a matrix that is a word": (put("v", "wte", to="x"), 'v.wte should be a list of 4 rows and not "x"'),
    "parameters that are a list": (
        put("parameters", to=[]),
        "parameters should be an object and not a list of 0",
    ),
    "more layers than matrices": (put("config", "layers", to=2), "parameters.layer1.attn_wq is missing"),
    "no layers": (
        put("config", "layers", to=0),
        "config.layers should be a whole number from 1 to 16 and not 0",
    ),
    "true for a number": (
        put("config", "heads", to=True),
        "config.heads should be a whole number from 1 to 64",
    ),
    "heads that do not fit": (put("config", "heads", to=5), "config.embedding should be a multiple of heads"),
    "another vocabulary": (
        put("config", "vocabulary", to=5),
        "vocabulary should be a whole number from 4 to 4",
    ),
    "another activation": (
        put("config", "activation", to="gelu"),
        'should be "relu" or "squared_relu" and not "gelu"',
    ),
    "attention to the future": (
        put("config", "attention", 1, to="0 2"),
        "attention, row 1, should be a row of",
    ),
    "attention out of order": (
        put("config", "attention", 2, to="1 0 2"),
        "attention, row 2, should be a row of",
    ),
    "attention to nothing": (put("config", "attention", 0, to=""), "attention, row 0, should be a row of"),
    "attention in words": (
        put("config", "attention", 0, to="zero"),
        "attention, row 0, word 1, should be one of",
    ),
    "too little attention": (
        put("config", "attention", to=["0"]),
        "config.attention should be a list of 8 rows",
    ),
    "a rate that is a string": (
        put("optimizer", "learning_rate", to="0.01"),
        "optimizer.learning_rate should be a number",
    ),
    "a rate that is NaN": (
        put("optimizer", "learning_rate", to=math.nan),
        "optimizer.learning_rate should be a number",
    ),
    "another schedule": (
        put("optimizer", "schedule", to="none"),
        'should be "linear" or "cosine" and not "none"',
    ),
    "too many steps": (
        put("optimizer", "steps", to=5000),
        "optimizer.steps should be a whole number from 1 to 4096",
    ),
    "more steps done than there are": (
        put("steps_done", to=7),
        "steps_done should be a whole number from 0 to 6",
    ),
    "half a step": (put("steps_done", to=1.5), "steps_done should be a whole number from 0 to 6 and not 1.5"),
    "another preset": (put("preset", to="large"), 'preset should be "seed" or "classic" and not "large"'),
    "another math": (put("math", to="fast"), 'math should be "exact" or "native" and not "fast"'),
    "a negative seed": (put("seed", to=-1), "seed should be a whole number from 0 to 4294967295"),
    "no characters": (put("characters", to=""), "characters should be distinct characters"),
    "a character twice": (put("characters", to="aab"), "characters should be distinct characters"),
    "characters out of order": (put("characters", to="acb"), "characters should be distinct characters"),
    "half a character": (put("characters", to="ab\ud800"), "characters should be distinct characters"),
    "characters in a list": (put("characters", to=["a", "b"]), "characters should be a string"),
    "a hash of another kind": (put("trained_on", "sha256", to="d41d8cd9"), "trained_on.sha256 should be 64"),
    "no documents": (
        put("trained_on", "documents", to=0),
        "trained_on.documents should be a whole number from 1",
    ),
    "a file without name": (
        put("trained_on", "file", to=None),
        "trained_on.file should be a string and not null",
    ),
    "losses in a list": (put("last_losses", to=[2.5]), "last_losses should be a string of doubles"),
    "a state that is too short": (
        put("generator", "words", to="1 2 3"),
        "generator.words should be 624 numbers",
    ),
    "a state of zeros": (
        put("generator", "words", to=" ".join("0" * 624)),
        "generator.words should be 624 numbers",
    ),
    "a state beyond 32 bits": (
        word(9, "4294967296", "generator", "words"),
        "generator.words should be 624 numbers",
    ),
    "a state in hex": (word(9, "ff", "generator", "words"), "generator.words, word 10, should be one of"),
    "an index beyond the state": (
        put("generator", "index", to=625),
        "generator.index should be a whole number from 0 to 624",
    ),
    "a kept number in decimal": (put("generator", "kept", to="0.5"), "generator.kept, word 1, should be"),
    "two kept numbers": (
        put("generator", "kept", to=f"{ONE} {ONE}"),
        "generator.kept should be null or one double",
    ),
    "an empty kept number": (put("generator", "kept", to=""), "generator.kept should be null or one double"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_refused_with_one_sentence(
    damage: str, trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, reason = DAMAGES[damage]
    saved = json.loads(Path(trained).read_text())
    change(saved)
    Path(trained).write_text(json.dumps(saved))
    sentence = refusal(["generate", "--model", trained], capsys)
    assert sentence.startswith(f"microgpt: {trained}: ") and reason in sentence


def test_each_member_is_needed_and_named_where_it_is_missing(
    trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = json.loads(Path(trained).read_text())
    places = [(key,) for key in whole if key not in ("format", "version")]
    places += [(key, inner) for key, value in whole.items() if isinstance(value, dict) for inner in value]
    assert len(places) > 40
    for *outer, last in places:
        saved = json.loads(Path(trained).read_text())
        (saved[outer[0]] if outer else saved).pop(last)
        damaged = Path(trained).with_name("damaged.json")
        damaged.write_text(json.dumps(saved))
        expected = f"{damaged}: {'.'.join([*outer, last])} is missing"
        assert expected in refusal(["info", "--model", str(damaged)], capsys)
