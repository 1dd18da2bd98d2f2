"""Claims about `conform check` and `conform start`: exit status, JSON, JUnit, badge, and named mistakes."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
import xmlschema
from click.testing import CliRunner

from harness import paths
from harness.cli.main import main
from harness.judge.check import goldens
from reference import microgpt
from reference.app.dataset import GARDEN

XUNIT = Path(__file__).parents[1] / "report" / "xunit2.xsd"


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


def test_what_is_written_fits_the_published_forms(right, tmp_path):
    wrong, trace = tmp_path / "wrong.log", tmp_path / "trace.txt"
    wrong.write_text("step 1 loss 3.3570\nstep 2 loss 9.0000\n")
    trace.write_text("step3.loss 9.0\nsample1 <x>\n")
    own = tmp_path / "own.log"
    own.write_text("".join(f"step {i} loss {3.3 - i / 100:.4f}\n" for i in range(1, 30)))
    schema = json.loads((paths.root() / "results" / "check.schema.json").read_text())
    for outputs in ([right], [wrong], [trace], [own], [right, wrong, trace]):
        record, junit = tmp_path / "record.json", tmp_path / "junit.xml"
        result = conform("check", *outputs, "--record", record, "--junit", junit, "--json")
        written = json.loads(record.read_text())
        assert written == json.loads(result.output)
        jsonschema.Draft202012Validator(schema).validate(written)
        xmlschema.XMLSchema(XUNIT).validate(junit)


def test_several_badges_are_written_at_once(right, tmp_path):
    svg, endpoint = tmp_path / "b.svg", tmp_path / "b.json"
    assert conform("check", right, "--badge", svg, "--badge", endpoint).exit_code == 0
    assert "printed 1000/1000" in svg.read_text() and "printed 1000/1000" in endpoint.read_text()


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
