"""Claims on the command line `microgpt`: what its commands print and refuse. Training: see test_train.py."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import CHILD, ROOT, SHORT, at_step, child, press_ctrl_c, refusal

from reference import microgpt
from reference.__main__ import main
from reference.app import modelfile
from reference.app.dataset import GARDEN

# ---------------------------------------------------------------- run


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "kind"), [("seed", "exact"), ("classic", "native")])
def test_run_prints_what_the_reference_says(
    preset: str, kind: str, names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", preset, "--math", kind, "--dataset", names, "--steps", "3"]) == 0
    assert microgpt.maths is microgpt.FUNCTIONS[kind]  # four decimals alone do not tell
    whole = microgpt.PRESETS[preset]
    whole = replace(whole, optimizer=replace(whole.optimizer, steps=3))
    microgpt.use_math(kind)
    expected = list(microgpt.Run(whole, Path(names).read_text().splitlines()).text())
    assert capsys.readouterr().out.splitlines() == expected


def test_run_reads_standard_input_and_its_default_is_the_preset_seed(names: str) -> None:
    piped = child("run", "--steps", "2")
    named = child("run", "seed", "--steps", "2", "--dataset", names)
    from_pipe, _ = piped.communicate(Path(names).read_bytes())
    from_file, _ = named.communicate()
    assert from_pipe == from_file and from_pipe.startswith(b"num docs: 3\n")


@pytest.mark.slow
def test_run_at_a_terminal_takes_the_garden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["run", "--steps", "1"]) == 0
    printed, said = capsys.readouterr()
    documents = len(GARDEN.read_text().splitlines())
    assert printed.startswith(f"num docs: {documents}\n") and "no dataset was given" in said


def test_text_is_utf8_with_lf_whatever_the_locale_says() -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    printed, said = child("run", "--steps", "1", env=environment).communicate("żż\r\n".encode())
    assert said == b""
    samples = printed.decode("utf-8").split("\n")[-21:]
    assert any("ż" in sample for sample in samples)
    assert b"\r" not in printed


class Pipe(io.RawIOBase):
    """What a reader at the other end sees, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.pieces.append(bytes(data))
        return len(data)


def test_each_line_of_a_run_is_sent_when_it_is_known(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(pipe)))
    assert main(["run", "--steps", "2", "--dataset", names]) == 0
    assert len(pipe.pieces) == 3 + 2 + 2 + 20
    assert all(piece.endswith(b"\n") and piece.count(b"\n") == 1 for piece in pipe.pieces)


def test_ctrl_c_ends_a_run_quietly(names: str) -> None:
    process = child("run", "--steps", "4096", "--dataset", names)
    assert process.stdout is not None
    assert process.stdout.readline() == b"num docs: 3\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert (process.returncode, said) == (130, b"")


def test_a_reader_that_goes_away_ends_a_run_quietly(names: str) -> None:
    process = child("run", "--steps", "4096", "--dataset", names)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full to write to")
def test_a_full_disk_under_the_output_is_one_sentence(names: str) -> None:
    with open("/dev/full", "wb") as full:
        process = child("run", "--steps", "1", "--dataset", names, stdout=full)
        _, said = process.communicate()
    assert process.returncode == 2
    assert said == b"microgpt: standard input or output has failed: No space left on device\n"


# ---------------------------------------------------------------- conform


def test_conform_needs_nothing_but_the_standard_library() -> None:
    """-S leaves out all installed packages, -I all paths and settings from outside."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['microgpt', 'conform']; {CHILD}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], input=b"hello one\nend\n", capture_output=True, check=True
    )
    assert done.stdout.startswith(b"ok one\nname reference\n") and done.stdout.endswith(b"\nend\n")
    assert done.stderr == b""


def test_conform_ends_quietly_when_nobody_reads() -> None:
    process = child("conform")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(b"hello one\nend\n" * 10)
    assert (process.returncode, said) == (141, b"")


def test_conform_ends_quietly_on_ctrl_c() -> None:
    process = child("conform")
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"hello one\nend\n")
    process.stdin.flush()
    while process.stdout.readline() != b"end\n":
        pass
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate()
    assert (process.returncode, printed, said) == (130, b"", b"")


def test_conform_with_closed_streams_is_one_sentence() -> None:
    command = f'exec "{sys.executable}" -m reference conform <&-'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True)
    assert done.returncode == 2
    assert done.stderr == b"microgpt: standard input or output is closed: conform needs both\n"


# ---------------------------------------------------------------- generate


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["seed", "classic"])
def test_train_and_generate_print_the_samples_of_run(
    preset: str, names: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", preset, "--dataset", names, *SHORT]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert main(["train", "--preset", preset, "--dataset", names, "--save", model, *SHORT]) == 0
    assert main(["generate", "--model", model]) == 0
    samples = capsys.readouterr().out.splitlines()
    assert [f"sample {i:2d}: {sample}" for i, sample in enumerate(samples, start=1)] == printed[-20:]


def generated(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert main(["generate", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_generate_repeats_itself_and_its_seed_decides(
    trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(trained).read_bytes()
    six = ("--model", trained, "--count", "6")
    by_stream = [generated(capsys, *six) for _ in range(2)]
    by_seed = [generated(capsys, *six, "--seed", seed) for seed in ("1", "1", "2")]
    assert by_stream[0] == by_stream[1] and by_seed[0] == by_seed[1]
    assert len({tuple(by_stream[0]), tuple(by_seed[0]), tuple(by_seed[2])}) == 3
    assert generated(capsys, "--model", trained, "--count", "3") == by_stream[0][:3]
    assert Path(trained).read_bytes() == before


@pytest.mark.slow
def test_generate_json_says_how_probable_each_sample_is(
    trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--model", trained, "--temperature", "1", "--seed", "3", "--count", "16")
    answer = json.loads("\n".join(generated(capsys, *arguments, "--json")))
    assert (answer["temperature"], answer["seed"], answer["start"]) == (1.0, 3, "")
    assert answer["model"]["file"] == trained and answer["model"]["trained_on"]["documents"] == 3
    assert [sample["text"] for sample in answer["samples"]] == generated(capsys, *arguments)
    model = modelfile.load(Path(trained))
    config, bos = model.training.config, model.tokenizer.bos
    assert {sample["complete"] for sample in answer["samples"]} == {True, False}
    for sample in answer["samples"]:
        assert model.tokenizer.encode(sample["text"])[1:-1] == sample["tokens"]
        assert sample["complete"] == (len(sample["tokens"]) < config.block)
        tokens = [bos, *sample["tokens"], bos]
        mean = microgpt.document_loss(config, model.training.parameters, tokens).data
        expected = -mean * min(config.block, len(tokens) - 1)
        assert sample["log_probability"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_samples_begin_as_they_are_told(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    samples = generated(capsys, "--model", trained, "--start", "ca")
    assert len(samples) == 20 and all(sample.startswith("ca") for sample in samples)
    assert len(set(samples)) > 1
    three = ("--model", trained, "--count", "3")
    answer = json.loads("\n".join(generated(capsys, *three, "--start", "ca", "--json")))
    assert answer["start"] == "ca"
    assert generated(capsys, *three, "--start", "") == generated(capsys, *three)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--start", "aZ"], "has not seen the character 'Z' of --start: it knows 'abc'"),
        (["--start", "abcabcab"], "--start has 8 characters"),
        (["--temperature", "1e-320"], "--temperature 1e-320 is too small"),
    ],
)
def test_what_a_model_cannot_do_is_refused(
    options: list[str], reason: str, trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in refusal(["generate", "--model", trained, *options], capsys)


def test_an_unfinished_model_generates_with_a_note(
    names: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_step(monkeypatch, 2, press_ctrl_c)
    assert main(["train", "--dataset", names, "--save", model, *SHORT]) == 130
    capsys.readouterr()
    assert main(["generate", "--model", model]) == 0
    printed, said = capsys.readouterr()
    assert len(printed.splitlines()) == 20 and "has only 2 of its 6 steps" in said


# ---------------------------------------------------------------- info, help and options


def test_info_says_how_many_parameters_26_letters_make(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    lines = {line[:23].strip(): line[23:].split() for line in capsys.readouterr().out.splitlines()}
    assert lines["preset"] == ["seed", "classic"]
    assert lines["parameters, 26 letters"] == ["4,064", "4,192"]
    assert lines["steps"] == ["500", "1000"]
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in lines["python"][1]


def test_info_says_what_a_model_is(names: str, trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--model", trained]) == 0
    printed = capsys.readouterr().out
    for fact in ("names.txt", "3 documents of 5 characters", "SHA-256 ", "abc", "exact", "6 of 6, finished"):
        assert fact in printed


@pytest.mark.parametrize("command", ["run", "train", "generate"])
def test_each_manual_has_examples_that_the_parser_takes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from reference.app.options import make_parser

    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    manual = capsys.readouterr().out
    examples = re.findall("^  (microgpt .*?)(?:   .*| [<|] .*)?$", manual, re.MULTILINE)
    assert len(examples) >= 3
    for example in examples:
        assert make_parser().parse_args(example.split()[1:]).command == command


def test_no_command_prints_the_manual(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "usage: microgpt COMMAND" in said and "examples:" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["sing"], "invalid choice: 'sing'"),
        (["run", "modern"], "invalid choice: 'modern'"),
        (["run", "--steps", "0"], "--steps: takes a whole number from 1 to 4096, not '0'"),
        (["run", "--steps", "4097"], "from 1 to 4096, not '4097'"),
        (["run", "--steps", "1.5"], "not '1.5'"),
        (["run", "--steps", "٣"], "not '٣'"),
        (["run", "--math", "fast"], "--math: invalid choice: 'fast'"),
        (["train"], "required: --save"),
        (["train", "--save", "x", "--resume", "--force"], "not allowed with"),
        (["train", "--save", "x", "--seed", "-1"], "a whole number from 0 to 4294967295, not '-1'"),
        (["train", "--save", "x", "--seed", "4294967296"], "not '4294967296'"),
        (["train", "--save", "x", "--checkpoint-every", "often"], "--checkpoint-every: takes a whole number"),
        (["train", "--sav", "x"], "required: --save"),
        (["generate", "--model", "x", "--count", "0"], "--count: takes a whole number from 1 to 100000"),
        (["generate", "--model", "x", "--temperature", "0"], "--temperature: takes a number above 0"),
        (["generate", "--model", "x", "--temperature", "nan"], "not 'nan'"),
        (["generate", "--model", "x", "--temperature", "inf"], "not 'inf'"),
        (["generate", "--model", "x", "--temperature", "warm"], "not 'warm'"),
        (["info", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_a_bad_option_is_one_sentence(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = refusal(arguments, capsys)
    assert reason in sentence and "--help')" in sentence


# ---------------------------------------------------------------- datasets


@pytest.mark.parametrize("command", [["run"], ["train", "--save", "MODEL"]])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        ("directory", "is a directory"),
        (b"", "has no documents"),
        (b" \n\t\n\r\n", "has no documents"),
        (b"anna\nbob\nzo\xe9\n", "is not UTF-8: line 3 has a stray byte e9"),
        (b"anna\xff", "is not UTF-8: line 1 has a stray byte ff"),
        (b"a\n\xed\xa0\x80\n", "is not UTF-8: line 2"),
        (
            "".join(map(chr, range(0x4E00, 0x5600))).encode(),
            "has 2048 distinct characters: 2047 are the most",
        ),
    ],
)
def test_a_bad_dataset_is_one_sentence(
    command: list[str], content: bytes | str | None, reason: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "dataset.txt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    arguments = [str(tmp_path / "model.json") if word == "MODEL" else word for word in command]
    status = 1 if isinstance(content, bytes) else 2
    sentence = refusal([*arguments, "--dataset", str(path)], capsys, status)
    assert f"the dataset {path} {reason}" in sentence
    assert not (tmp_path / "model.json").exists()


def test_a_bad_standard_input_is_one_sentence() -> None:
    for content, reason in ((b"", b"has no documents"), (b"a\nb\n\x80", b"line 3 has a stray byte 80")):
        process = child("run")
        printed, said = process.communicate(content)
        assert (process.returncode, printed) == (1, b"")
        assert said.startswith(b"microgpt: standard input ") and reason in said and said.count(b"\n") == 1


@pytest.mark.slow
def test_only_lf_ends_a_line_of_a_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dataset.txt"
    path.write_bytes("a\u2028b\x85c\r\nd\x0bd\x1c\n".encode())
    assert main(["run", "--steps", "1", "--dataset", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["num docs: 2", "vocab size: 9"]


def test_the_garden_is_as_its_readme_says() -> None:
    text = GARDEN.read_bytes()
    names = text.decode("ascii").split("\n")
    assert names.pop() == "" and b"\r" not in text
    assert names == sorted(set(names)) and len(names) >= 1000
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
    assert min(map(len, names)) == 2 and max(map(len, names)) == 13
    assert f"{len(names):,} given names" in (GARDEN.parent / "README.md").read_text()
