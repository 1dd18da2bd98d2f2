"""Claims about `conform check` and `conform start`: exit status, JSON, JUnit, badge, and named mistakes."""

import json
import shutil
import xml.etree.ElementTree as ET

import planted
import pytest
from click.testing import CliRunner

from harness.cli.main import main
from harness.judge.check import goldens
from reference import microgpt
from reference.app.dataset import GARDEN


def conform(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def right(tmp_path):
    kept = goldens.find("classic", goldens.of_garden().sha256)
    lines = ["num docs: 7347", "vocab size: 27", "num params: 4192"]
    lines += [f"step {i:4d} / 1000 | loss {x:.4f}" for i, x in enumerate(kept.golden.losses, start=1)]
    lines += ["", "--- inference (new, hallucinated names) ---"]
    lines += [f"sample {i:2d}: {text}" for i, text in enumerate(kept.golden.samples, start=1)]
    path = tmp_path / "right.log"
    path.write_text("\n".join([*lines, ""]))
    return path


def test_a_right_log_agrees_in_every_printed_digit(right):
    result = conform("check", right)
    assert result.exit_code == 0
    assert "all 1,000 losses and 20 samples agree in all 4 decimals" in result.output


def test_the_verdict_is_written_for_machines(right, tmp_path):
    result = conform("check", right, "--json", "--junit", tmp_path / "j.xml", "--badge", tmp_path / "b.json")
    verdict = json.loads(result.output)
    assert (verdict["agreement"], verdict["agreed"], verdict["compared"]) == ("printed", 1000, 1000)
    assert ET.parse(tmp_path / "j.xml").getroot()[0].get("failures") == "0"
    assert json.loads((tmp_path / "b.json").read_text())["message"] == "printed 1000/1000"


def test_one_wrong_digit_is_a_failure(right):
    text = right.read_text()
    [line] = [line for line in text.split("\n") if line.startswith("step  500 /")]
    right.write_text(text.replace(line, f"{line[:-6]}9.9999"))
    result = conform("check", right)
    assert result.exit_code == 1
    assert "step 500: loss" in result.output and "9.9999" in result.output


def test_another_preset_than_was_asked_for_is_told(right):
    result = conform("check", right, "--preset", "seed")
    assert result.exit_code == 1


@pytest.mark.parametrize("arguments", [["check", "missing.log"], ["check", GARDEN], ["check"]])
def test_what_cannot_be_read_has_exit_status_2(arguments):
    result = conform(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("mistake", planted.MISTAKES)
def test_a_planted_mistake_is_named(mistake, tmp_path):
    log = tmp_path / "wrong.log"
    log.write_text(planted.printed(planted.build(tmp_path, *planted.MISTAKES[mistake]), GARDEN.read_bytes()))
    result = conform("check", log, "--json")
    verdict = json.loads(result.output)
    assert result.exit_code == 1
    assert mistake in [name for cause in verdict["diagnosis"] for name in cause["variants"]]


@pytest.mark.parametrize("ending", ["txt", "json", "h"])
def test_a_start_holds_the_first_bits_of_the_run(ending, tmp_path):
    path = tmp_path / f"start.{ending}"
    assert conform("start", "--preset", "classic", "--out", path).exit_code == 0
    first = next(
        iter(
            microgpt.Run(microgpt.PRESETS["classic"], goldens.of_garden().lines).training.parameters.values()
        )
    )
    x = first[0][0].data
    text = path.read_text()
    assert {"txt": f"init.wte {x.hex()}", "json": repr(x), "h": x.hex()}[ending] in text or ending == "txt"


def test_a_start_as_text_is_itself_a_right_trace(tmp_path):
    path = tmp_path / "start.txt"
    conform("start", "--preset", "classic", "--out", path)
    chosen = tmp_path / "trace.txt"
    chosen.write_text(
        "".join(line + "\n" for line in path.read_text().split("\n") if line.startswith("init."))
    )
    result = conform("check", chosen, "--preset", "classic")
    assert result.exit_code == 0
    assert "bit-exact" in result.output
