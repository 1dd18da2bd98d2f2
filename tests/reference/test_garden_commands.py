"""Claims on `microgpt garden`, `export`, and what `generate` and `info` show."""

import hashlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import at_step, child, press_ctrl_c, refusal

from reference import microgpt
from reference.__main__ import main
from reference.app import engine, fetching, garden, judging, modelfile, sampler, watching
from reference.protocol import replies

SMALL = ("--steps", "7", "--embedding", "4", "--heads", "2", "--block", "8", "--seed", "3")


class Answering:
    """The reference as a port: it keeps what it was asked."""

    name = "answering"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, verb: str, lines: Sequence[str]) -> Sequence[str]:
        self.asked.append(verb)
        reply = replies.answer([f"{verb} x", *lines])
        assert reply[0] == "ok x", reply[0]
        return reply[1:-1]


@pytest.fixture(autouse=True)
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "SAMPLES", 10)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Answering:
    answering = Answering()

    @contextmanager
    def provide() -> Iterator[Answering]:
        yield answering

    monkeypatch.setattr(engine, "providers", lambda: [provide])
    return answering


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "timezones.json"
    assert main(["garden", "train", "timezones", *SMALL, "--engine", "reference", "--save", str(path)]) == 0
    return path


# ---------------------------------------------------------------- engines


def test_a_port_ends_with_the_bits_of_the_reference(
    port: Answering, model_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "port.json"
    assert main(["garden", "train", "timezones", *SMALL, "--save", str(path)]) == 0
    assert port.asked.count("train") > 1 and "sample" in port.asked
    assert path.read_bytes() == model_file.read_bytes()
    ours, theirs = (json.loads(p.with_suffix(".card.json").read_text()) for p in (path, model_file))
    assert (ours.pop("engine"), theirs.pop("engine")) == ("port answering", "reference")
    assert ours == theirs


def test_requests_go_round_a_dataset_that_is_smaller_than_they_are(port: Answering) -> None:
    preset = replace(
        microgpt.PRESETS["seed"], optimizer=replace(microgpt.PRESETS["seed"].optimizer, steps=12)
    )
    plain, asked = (microgpt.Run(preset, ["ab", "ba", "c"]) for _ in range(2))
    by_port, losses = engine.PortEngine(port), []
    while asked.training.step < 12:
        by_port.steps = 5
        losses += by_port.advance(asked)
    assert losses == list(plain.losses()) and asked.training.m == plain.training.m


def test_losses_by_a_port_are_those_of_the_reference_and_change_nothing(port: Answering) -> None:
    run = microgpt.Run(microgpt.PRESETS["seed"], ["ab", "ba", "c"])
    documents = [run.tokenizer.encode(text) for text in ("ab", "cc", "bcba")]
    before = [value.data for value in microgpt.flatten(run.training.parameters)]
    right = engine.Engine().losses(run.training, documents)
    assert engine.PortEngine(port).losses(run.training, documents) == right
    assert [value.data for value in microgpt.flatten(run.training.parameters)] == before


def test_a_wrong_reply_is_a_sentence(port: Answering, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                     capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setattr(port, "ask", lambda verb, lines: ["step 0", "loss nonsense"])
    assert main(["garden", "train", "timezones", *SMALL, "--save", str(tmp_path / "m.json")]) == 2
    assert "the engine's reply is wrong: loss takes doubles" in capsys.readouterr().err


def test_the_project_offers_its_ports_as_engines() -> None:
    import tomllib
    from importlib import import_module

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"][engine.GROUP]["ports"].partition(":")
    assert callable(getattr(import_module(module), name))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_built_port_ends_with_the_bits_of_the_reference(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.cli import training_engine

    monkeypatch.setattr(engine, "providers", lambda: [training_engine.fastest])
    path = tmp_path / "built.json"
    assert main(["garden", "train", "timezones", *SMALL, "--save", str(path)]) == 0
    assert json.loads(path.with_suffix(".card.json").read_text())["engine"].startswith("port ")
    assert path.read_bytes() == model_file.read_bytes()


# ---------------------------------------------------------------- train and check


def test_ctrl_c_keeps_a_checkpoint_and_resuming_ends_with_the_same_bits(
    model_file: Path, port: Answering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "stopped.json"
    train = ["garden", "train", "timezones", "--save", str(path)]
    with monkeypatch.context() as patch:
        at_step(patch, 3, press_ctrl_c)
        assert main([*train, *SMALL]) == 128 + signal.SIGINT
    assert modelfile.load(path).training.step in range(3, 7)
    assert "go on with: microgpt garden train timezones" in capsys.readouterr().err
    assert main([*train, "--resume"]) == 0
    assert path.read_bytes() == model_file.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_real_ctrl_c_reaches_a_built_port_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    train = ["garden", "train", "sums", "--steps", "4096", "--embedding", "32", "--save", str(path)]
    process = child(*train, start_new_session=True)
    deadline = time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and b"Traceback" not in said
    assert 0 < modelfile.load(path).training.step < 4096


def test_check_says_how_many_are_right(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    check = [
        "garden",
        "check",
        "timezones",
        str(model_file),
        "--engine",
        "reference",
        "--samples",
        "5",
        "--json",
    ]
    assert main(check) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["samples"] == 5 and verdict["dataset_sha256"] == garden.card("timezones").facts["sha256"]
    assert verdict["held_out_bits"] > 1.0


def test_a_verdict_counts_right_new_different_and_held_out(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = modelfile.load(model_file)
    lines = garden.lines_of("timezones")
    held = next(line for line in lines if garden.is_held_out(line))
    kept = next(line for line in lines if not garden.is_held_out(line))
    texts = [held, kept, "a/A", "a/A"]
    drawn = [model.tokenizer.encode(text)[1:-1] for text in texts]
    monkeypatch.setattr(engine.Engine, "sample", lambda *_: drawn)
    monkeypatch.setattr(engine.Engine, "losses", lambda self, training, documents: [0.5] * len(documents))
    verdict = judging.judge("timezones", model, engine.Engine(), 4)
    assert (verdict.validity, verdict.novelty, verdict.distinctness) == (0.5, 0.25, 0.75)
    assert verdict.found_held_out == 1 and verdict.held_out_bits == pytest.approx(0.7213475)


REFUSED = [
    (["garden", "show", "roses"], "has no dataset 'roses'"),
    (["garden", "train", "roses"], "has no dataset 'roses'"),
    (["garden", "train", "sums", "--embedding", "15", "--save", "x.json"], "multiple of the 4 heads"),
    (["garden", "train", "sums", "--resume", "--save", "none.json"], "nothing to resume"),
    (["garden", "check", "sums", "none.json"], "does not exist"),
    (["garden", "fetch", "roses"], "no dataset 'roses' to fetch"),
    (["garden"], "required: COMMAND"),
]


@pytest.mark.parametrize(("arguments", "reason"), REFUSED)
def test_bad_input_gets_a_sentence(
    arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert reason in refusal(arguments, capsys)


def test_a_model_of_something_else_is_not_checked(
    model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "was trained on timezones of the garden, not on" in refusal(
        ["garden", "check", "sums", str(model_file), "--engine", "reference"], capsys
    )


def test_resuming_with_another_size_is_refused(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ["garden", "train", "timezones", "--save", str(model_file), "--resume", "--embedding", "8"]
    assert "was started with --embedding 4" in refusal(train, capsys)


def test_resuming_on_another_dataset_names_no_option_that_garden_has_not(
    model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(["garden", "train", "sums", "--save", str(model_file), "--resume"], capsys)
    assert "was trained on timezones of the garden" in said and "--dataset" not in said


def test_list_and_show_name_licence_and_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["garden", "list"]) == 0 and main(["garden", "show", "towns"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in garden.names())
    assert "CC-BY-4.0" in printed and "geonames.org" in printed


# ---------------------------------------------------------------- fetch


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "set.txt").write_bytes(b"rex\nraptor\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(folder), **options)  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def pin(monkeypatch: pytest.MonkeyPatch, url: str, data: bytes) -> None:
    pinned = fetching.Pinned("T", url, hashlib.sha256(data).hexdigest(), len(data), "none")
    monkeypatch.setitem(fetching.PINNED, "dinosaurs", pinned)


def test_fetch_takes_the_pinned_bytes_and_no_others(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch = ["garden", "fetch", "dinosaurs", "--to", str(tmp_path / "new")]
    path = tmp_path / "new" / "dinosaurs.txt"
    pin(monkeypatch, f"{server}/set.txt", b"other bytes")
    assert "was pinned: it was not taken" in refusal(fetch, capsys) and not path.exists()
    pin(monkeypatch, f"{server}/missing.txt", b"rex\nraptor\n")
    assert "cannot be fetched: File not found" in refusal(fetch, capsys)
    pin(monkeypatch, f"{server}/set.txt", b"rex\nraptor\n")
    assert main(fetch) == 0 and path.read_bytes() == b"rex\nraptor\n"
    path.write_bytes(b"changed\n")
    assert "which is there already," in refusal(fetch, capsys)


# ---------------------------------------------------------------- export, generate, info


def test_safetensors_are_read_by_their_own_library(model_file: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "m.safetensors"
    assert main(["export", "--model", str(model_file), "--to", str(path)]) == 0
    tensors, model = library.load_file(path), modelfile.load(model_file)
    assert list(sorted(tensors)) == sorted(model.training.parameters)
    for name, matrix in model.training.parameters.items():
        assert tensors[name].tolist() == [[value.data for value in row] for row in matrix]


def test_gguf_is_read_by_its_own_library(model_file: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("gguf")
    path = tmp_path / "m.gguf"
    assert main(["export", "--model", str(model_file), "--to", str(path)]) == 0
    read, model = library.GGUFReader(path), modelfile.load(model_file)
    found = {tensor.name: tensor.data.tolist() for tensor in read.tensors}
    parameters = model.training.parameters
    assert len(found) == len(parameters)
    for name, matrix in {
        "blk.0.ffn_down.weight": parameters["layer0.mlp_fc2"],
        "blk.0.attn_output.weight": parameters["layer0.attn_wo"],
        "position_embd.weight": parameters["wpe"],
        "output.weight": parameters["lm_head"],
    }.items():
        assert found[name] == [[value.data for value in row] for row in matrix]
    assert read.fields["general.architecture"].contents() == "microgpt"
    assert read.fields["tokenizer.ggml.tokens"].contents() == [*model.tokenizer.characters, "<BOS>"]


def test_gguf_without_its_library_says_how_to_get_it(
    model_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    said = refusal(["export", "--model", str(model_file), "--to", "m.gguf"], capsys)
    assert "pip install 'microgpt-conformance[gguf]'" in said


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_c_header_compiles_and_keeps_every_bit(model_file: Path, tmp_path: Path) -> None:
    assert main(["export", "--model", str(model_file), "--to", str(tmp_path / "9m.h")]) == 0
    program = '#include <stdio.h>\n#include "9m.h"\nint main(void) { for (int i = 0; i < M_9M_EMBEDDING; i++)'
    program += ' printf("%a\\n", m_9m_layer0_attn_wq[1][i]); return m_9m_characters[0] != 43; }'
    (tmp_path / "m.c").write_text(program)
    subprocess.run(["gcc", "-std=c99", "-Wall", "-o", "m", "m.c"], cwd=tmp_path, check=True)
    printed = subprocess.run([str(tmp_path / "m")], capture_output=True, text=True, check=True).stdout
    row = modelfile.load(model_file).training.parameters["layer0.attn_wq"][1]
    assert [float.fromhex(line) for line in printed.split()] == [value.data for value in row]


def test_another_ending_is_refused(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "end in .safetensors, .gguf or .h" in refusal(
        ["export", "--model", str(model_file), "--to", "m.onnx"], capsys
    )


def test_top_1_draws_the_likeliest_token_each_time(model_file: Path) -> None:
    model, draws = modelfile.load(model_file), []
    how = sampler.How(1.0, seed=5, top_k=1)
    list(sampler.samples(model, 2, how, lambda p, token: draws.append((p, token))))
    assert draws and all(token == p.index(max(p)) for p, token in draws)


def test_the_likeliest_keep_their_weights_and_equals_go_in_order() -> None:
    assert sampler.likeliest([0.2, 0.3, 0.2, 0.3], 3) == [0.2, 0.3, 0.0, 0.3]


def test_watch_shows_each_draw_as_bars(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--model", str(model_file), "--count", "1", "--watch", "--seed", "1"]) == 0
    printed = capsys.readouterr().out
    assert "%" in printed and "  > " in printed
    [last] = [line for line in watching.bars([0.5] + [0.01] * 20, 20, "abcdefghijklmnopqrst") if ">" in line]
    assert last.split()[:2] == [">", "end"]


def test_info_shows_every_matrix_as_a_heat_map(model_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["info", "--model", str(model_file)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in modelfile.load(model_file).training.parameters)
    assert list(watching.heat_map([[0.0, -4.0], [1.0, 2.0]])) == [" █", "░▒"]


def test_a_curve_runs_from_the_highest_loss_to_the_lowest() -> None:
    assert watching.curve([8.0, 4.5, 1.0]) == "█▅▁" and watching.curve([2.0, 2.0]) == "▁▁"
    assert len(watching.curve([float(i) for i in range(1000)])) == watching.WIDTH


def test_a_terminal_shows_curve_rate_and_samples(model_file: Path, monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setattr(watching, "SAMPLE_SECONDS", -1.0)
    drawn: list[int] = []
    monkeypatch.setattr(engine.Engine, "sample", lambda self, *_, seed: drawn.append(seed) or [[1]])
    model = modelfile.load(model_file)
    model.training.step = 5
    with watching.live(model, engine.Engine()) as show:
        show(3.0)
        show(2.0)
    said = capsys.readouterr().err
    assert "step 7/7" in said and "loss 2.5000" in said and "steps/s" in said and drawn == [5, 5]
