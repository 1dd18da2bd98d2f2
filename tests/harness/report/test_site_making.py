"""Claims on what the site is made of, divergence views, plots and scripts, and on building it."""

import base64
import gzip
import json
import re
from pathlib import Path

import html5lib
import pytest
import records
from click.testing import CliRunner
from sites import parsed, planted, text

from conformance import bounds, ladder
from harness import paths
from harness.cli import main as cli
from harness.errors import ManifestError
from harness.fleet import example
from harness.judge.compare import Difference
from harness.report.site import bits, browser, build, data, measured, plots, source_view

pytestmark = pytest.mark.slow


# ---------------------------------------------------------------- the divergence view


def difference(expected: str, got: str, ulps: int | None = 1) -> Difference:
    return Difference("value", "x", expected, got, ulps)


def marked(double: bits.Bits) -> str:
    """The 64 bits, the differing ones as stars."""
    runs = [run for _, digits in double.fields for digit in digits for run in digit]
    return "".join("*" * len(run.bits) if run.differs else run.bits for run in runs)


def test_just_the_bits_that_differ_are_marked():
    pair = bits.pair(difference("3ff0000000000000", "3ff0000000000001"))
    assert marked(pair.expected) == f"{0x3FF0000000000000:064b}"[:63] + "*"
    assert pair.sentence == "1 of 64 bits differs: 1 of the fraction"


def test_a_wrong_sign_and_a_carry_through_the_exponent_are_told_apart():
    sign = bits.pair(difference("0000000000000000", "8000000000000000"))
    assert sign.sentence == "1 of 64 bits differs: 1 of the sign"
    carry = bits.pair(difference("3fefffffffffffff", "3ff0000000000000"))
    assert carry.sentence == "53 of 64 bits differ: 1 of the exponent and 52 of the fraction"
    assert [len(digits) for _, digits in carry.expected.fields] == [1, 3, 13]
    assert carry.expected.decimal == "0.9999999999999999"


def test_a_trail_reads_down_each_column_in_the_order_of_computation():
    stored = planted().record.trail
    assert stored is not None
    trail = bits.trail(stored)
    assert trail.columns[:2] == ("pos0", "pos1")
    names = [
        f"{column}.{name}" if column else name
        for number, column in enumerate(trail.columns)
        for name, cells in trail.rows
        if cells[number] is not None
    ]
    assert names == [quantity.name for quantity in stored.quantities]
    [first] = [cell for _, cells in trail.rows for cell in cells if cell is not None and cell.first]
    assert first.words == "1 of 1 values differ, 1 ulp at most"
    assert trail.differ + trail.agree == len(stored.quantities)


@pytest.mark.parametrize(("ulps", "shown"), [(1, "1"), (9_999, "9,999"), (54_865_419_492_655_104, "5e16")])
def test_a_distance_has_room_in_a_cell(ulps: int, shown: str):
    assert bits.short_distance(ulps) == shown


def test_the_example_is_a_wrong_port_whose_loss_is_right():
    record = planted().record
    assert record.outcome == "disagrees" and record.only_level == 7
    assert record.trail is not None
    last = record.trail.quantities[-1]
    assert (last.name, last.different) == ("loss", 0)
    assert "-0.5" in planted().right and "-0.5" not in planted().wrong


# ---------------------------------------------------------------- plots and numbers


def test_a_bar_is_ten_times_the_value_for_each_line_of_the_scale():
    bars = [plots.Bar("", value, "") for value in (10.0, 100.0, 1000.0)]
    widths = re.findall(r'class="bar "[^>]* width="([\d.]+)%"', plots.log_bars("t", bars, str) or "")
    assert widths == ["0.5", "50.0", "100.0"]


@pytest.mark.parametrize(
    ("decade", "name"), [(0, "1 µs"), (2, "100 µs"), (3, "1 ms"), (6, "1 s"), (-1, "0.1 µs")]
)
def test_a_decade_is_named_in_the_unit_that_suits_it(decade: int, name: str):
    assert plots.duration(decade) == name


def test_a_histogram_has_a_column_for_each_bin_that_is_not_empty():
    drawn = plots.histogram("t", [19_986, 0, 14])
    assert drawn.count('class="right"') == 1 and drawn.count('class="off"') == 1


def test_a_level_s_spread_is_that_of_its_own_cases():
    spreads = {"1": {"q": 1e-16, "k": 2e-16, "v": 3e-16, "x": 0.0}, "2": {"m": float("inf"), "v": 1.0}}
    measured_bounds = bounds.Bounds(2, 1, {"forward/a": "1", "adam/b": "2"}, spreads)
    [found] = measured.spreads(measured_bounds)
    assert (found.verb, found.quantities, found.middle) == ("forward", 3, 2e-16)


def test_only_trainings_of_many_steps_show_how_a_spread_grows():
    long = {f"step {step}: loss": 1e-16 * 2.0**step for step in range(measured.MANY_STEPS)}
    spreads = {"1": long | {"step 3: m.wte": 1.0}, "2": {"step 0: loss": 1e-16}}
    measured_bounds = bounds.Bounds(2, 1, {"train/a": "1", "train/b": "2"}, spreads)
    [found] = measured.growths(measured_bounds)
    assert (found.case, found.first, found.greatest) == (
        "train/a",
        1e-16,
        1e-16 * 2.0 ** (measured.MANY_STEPS - 1),
    )
    assert found.plot.count('class="trend"') == measured.MANY_STEPS - 1


def test_highlighting_changes_no_character():
    source = 'int x = 1 < 2; /* a\n  b */\n\n\treturn "&";\n'
    lines = source_view.highlighted("a.c", source)
    assert "\n".join(line.striptags() if not line else _plain(line) for line in lines) + "\n" == source
    assert lines[0].count("comment") == lines[1].count("comment") == 1


def _plain(line: str) -> str:
    return "".join(html5lib.parseFragment(line, namespaceHTMLElements=False).itertext())


# ---------------------------------------------------------------- the browser's scripts


def test_the_worker_runs_the_port_s_files_but_for_import_and_export_lines():
    script = browser.worker_script()
    for name in browser.MODULES:
        source = (paths.ports_dir() / browser.PORT / name).read_text()
        body = script.split(f"modules['./{name}'] = (() => {{\n")[1].split("\n\nreturn {")[0]
        original, bundled = source.rstrip("\n").split("\n"), body.split("\n")
        assert len(original) == len(bundled)
        changed = [(old, new) for old, new in zip(original, bundled, strict=True) if old != new]
        assert changed
        for old, new in changed:
            assert old == f"export {new}" or re.match(r"import .*from|import \{$|\} from '\./", old), old


def test_an_import_that_is_not_understood_is_an_error_and_not_a_broken_page():
    with pytest.raises(ManifestError, match="import fs from 'node:fs'"):
        browser.module("x.js", "import fs from 'node:fs';\n")
    with pytest.raises(ManifestError, match="export default"):
        browser.module("x.js", "export default 1;\n")


def test_the_scripts_hold_every_request_and_golden_trace():
    found = {}
    for golden in browser.golden_scripts():
        call = re.fullmatch(r"golden\('([\w-]+)', '([\w+/=]+)'\);\n", golden.script)
        assert call is not None and f"{call[1]}.js" == golden.file
        for name, request, trace in json.loads(gzip.decompress(base64.b64decode(call[2]))):
            found[f"{golden.verb}/{name}"] = (request, trace)
            assert golden.long == name.startswith("long-")
    cases = [case for level in ladder.levels() for case in level.cases if not case.large]
    assert len(found) == len(cases)
    for case in cases:
        assert found[case.id] == (case.path.read_text(), case.path.with_suffix(".golden").read_text())


# ---------------------------------------------------------------- building


def test_a_new_site_takes_the_place_of_the_old_one(tmp_path: Path):
    results = records.save_all(tmp_path / "results", [records.made()])
    out = tmp_path / "site"
    build.build(results, out, planted())
    (out / "left-over.html").write_text("")
    count = build.build(results, out, planted())
    assert not (out / "left-over.html").exists()
    assert count == sum(path.is_file() for path in out.rglob("*"))
    assert [path.name for path in tmp_path.iterdir()] in (["results", "site"], ["site", "results"])


def test_the_same_results_make_the_same_site(tmp_path: Path):
    found = data.read(records.save_all(tmp_path, [records.made()]), planted())
    assert dict(build.site(found)) == dict(build.site(found))


def test_a_folder_that_is_no_site_is_left_alone(tmp_path: Path):
    results = records.save_all(tmp_path / "results", [records.made()])
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("all of it")
    with pytest.raises(ManifestError, match="is no site of this project"):
        build.build(results, precious, planted())
    assert (precious / "thesis.txt").read_text() == "all of it"


def test_broken_results_leave_the_old_site_as_it_was(tmp_path: Path):
    results = records.save_all(tmp_path / "results", [records.made()])
    out = tmp_path / "site"
    build.build(results, out, planted())
    before = (out / "index.html").read_text()
    (results / "bench.json").write_text("{")
    with pytest.raises(ManifestError, match=r"bench\.json is not a JSON file"):
        build.build(results, out, planted())
    assert (out / "index.html").read_text() == before


def test_the_command_says_what_to_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    records.save_all(tmp_path / "results" / "published", [records.made()])
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(example, "judge", planted)
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(cli.main, ["site"])
    assert found.exit_code == 0, found.output
    assert "open results/site/index.html" in found.output
    assert "bit-exact 12/12" in text(parsed(tmp_path / "results" / "site" / "index.html"))
