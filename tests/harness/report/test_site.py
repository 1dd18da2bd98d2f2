"""Claims on the site's files: pages, links, the divergence view, plots, scripts. No browser here."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

import html5lib
import pytest
import records
from click.testing import CliRunner
from msgspec.structs import replace as replaced
from sites import planted

from conformance import bounds, ladder
from harness import paths
from harness.build import manifest
from harness.cli import main as cli
from harness.errors import ManifestError
from harness.fleet import example
from harness.judge.compare import Difference
from harness.report.site import (
    bits,
    browser,
    build,
    data,
    documents,
    languages,
    measured,
    pages,
    plots,
    source_view,
)

pytestmark = pytest.mark.slow
PAGES = (
    "index",
    "train",
    "lesson",
    "check",
    "example",
    "browser",
    "languages",
    "measurements",
    "mistakes",
    "laws",
    "garden",
    "archaeology",
    "seed_quality",
    "hexagons",
)
OUTSIDE = "https://gist.github.com/karpathy/8627fe009c40f57531cb18360106ce95"
"""All that the pages lead to outside of the site, but for what documents name."""


@cache
def parsed(path: Path) -> Element:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(
        path.read_text(encoding="utf-8")
    )


def text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def all_pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def links(document: Element) -> Iterator[str]:
    for element in document.iter():
        for name, value in element.attrib.items():
            if name in ("href", "src") or name.startswith("data-") and ".js" in value:
                yield value


# ---------------------------------------------------------------- the whole


def test_every_port_has_a_page_and_every_page_is_valid_html(site: Path):
    names = {path.relative_to(site).with_suffix("").as_posix() for path in all_pages(site)}
    written = {Path(page).with_suffix("").as_posix() for page in documents.DOCUMENTS.values()}
    ports = {f"ports/{port}" for port in manifest.known_ports()}
    sources = {
        f"ports/{port}/{file}"
        for port in manifest.known_ports()
        for file in ("port.yaml", *manifest.load(port).files())
    }
    assert names == {*PAGES, *written, *ports, *sources}
    for path in all_pages(site):
        parsed(path)


def test_every_link_leads_to_a_file_or_a_place_that_is_there(site: Path):
    for path in all_pages(site):
        for link in links(parsed(path)):
            parts = urlsplit(link)
            if link == OUTSIDE or (parts.scheme == "https" and path.parent.name == "docs"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert not parts.scheme and not parts.netloc, f"{path.name} leads out of the site: {link}"
            assert target.is_file() and target.is_relative_to(site), f"{path.name}: {link}"
            if parts.fragment:
                assert parts.fragment in {element.get("id") for element in parsed(target).iter()}, link


def test_no_page_asks_for_anything_from_outside(site: Path):
    for path in [*all_pages(site), *site.glob("static/*")]:
        addresses = set(re.findall(r"https?://[\w./-]+", path.read_text(encoding="utf-8")))
        if path.suffix == ".html" and {"ports", "docs"} & set(path.relative_to(site).parts):
            continue  # sources may name addresses; as links they are looked for above
        assert addresses <= {"http://www.w3.org/2000/svg", OUTSIDE}, path


def test_the_policy_forbids_what_the_pages_do_not_have(site: Path):
    for path in all_pages(site):
        document = parsed(path)
        policy = document.find(".//meta[@http-equiv='Content-Security-Policy']")
        assert policy is not None and "default-src 'none'" in policy.attrib["content"]
        assert document.find(".//style") is None
        for element in document.iter():
            assert not [name for name in element.attrib if name == "style" or name.startswith("on")]
            assert element.tag != "script" or ("src" in element.attrib and not text(element))


def test_no_name_of_a_place_is_given_twice(site: Path):
    for path in all_pages(site):
        names = [element.attrib["id"] for element in parsed(path).iter() if "id" in element.attrib]
        assert len(names) == len(set(names))


# ---------------------------------------------------------------- pages


def test_the_matrix_says_in_words_what_each_level_of_each_port_came_to(site: Path):
    table = parsed(site / "index.html").find(".//table[@id='matrix']")
    assert table is not None
    rows = {row.find("th/a").attrib["href"]: row for row in table.findall("tbody/tr")}  # type: ignore[union-attr]
    assert set(rows) == {f"ports/{port}.html" for port in manifest.known_ports()}
    words = {
        port: text(rows[f"ports/{port}.html"]) for port in ("lua", "c", "haskell", "zig", "go", "javascript")
    }
    cells = {port: [cell[0] for cell in rows[f"ports/{port}.html"].findall("td")[2:14]] for port in words}
    titles = {port: [cell.attrib["title"] for cell in found] for port, found in cells.items()}
    assert "bit-exact 12/12" in words["lua"] and words["lua"].count("✓") == 12
    assert "disagrees" in words["c"] and titles["c"][6].startswith("disagrees")
    assert cells["c"][6].attrib["href"] == "ports/c.html#7"
    assert titles["haskell"][8].startswith("crashed")
    assert "could not be built" in words["zig"]
    assert "never run" in words["go"] and titles["go"] == ["no result"] * 12
    assert titles["javascript"][11].startswith("expected failure")
    outcomes = {port: rows[f"ports/{port}.html"].attrib["data-outcome"] for port in words}
    assert (
        outcomes["lua"] == "conforms" and outcomes["c"] == "does not conform" and outcomes["go"] == "not run"
    )


def test_a_port_s_page_has_all_that_is_known_of_it(site: Path):
    document = parsed(site / "ports" / "lua.html")
    page = text(document)
    size = records.made().size
    assert size is not None
    for expected in (
        "Test 1.0",
        "4,206 µs",
        "18 MiB",
        "217 MB",
        f"{size.lines:,} in {size.files} files",
        "There is none",
        "FROM debian",
    ):
        assert expected in page
    headings = [text(heading) for heading in document.iter("h2")]
    assert headings == [
        *("Levels", "First divergence", "The language's own functions", "Speed", "History"),
        *("How it is built", "What the port taught about Lua", "Source"),
    ]
    trends = document.findall(".//div[@class='trends']//{http://www.w3.org/2000/svg}svg")
    assert trends[-1].attrib["aria-label"].endswith("from 5,000 to 4,206 over 2 states")
    assert "lua/microgpt.lua.html" in set(links(document))


def test_the_source_on_the_page_is_the_file_line_by_line(site: Path):
    document = parsed(site / "ports" / "c" / "exact.h.html")
    shown = document.find(".//div[@aria-label='exact.h']//code")
    assert shown is not None
    assert [line.get("id") for line in shown][:3] == ["L1", "L2", "L3"]
    assert "".join(shown.itertext()) == (paths.ports_dir() / "c" / "exact.h").read_text()


def test_a_port_that_was_not_built_or_crashed_says_so(site: Path):
    assert "the build of zig failed: exit code 1" in text(parsed(site / "ports" / "zig.html"))
    assert "x.zig:1: error" in text(parsed(site / "ports" / "zig.html"))
    crashed = text(parsed(site / "ports" / "haskell.html"))
    assert "it exited with code 1" in crashed and "panic" in crashed


def test_clues_and_the_smallest_failing_request_are_on_the_page(site: Path):
    document = parsed(site / "ports" / "c.html")
    page = text(document)
    for expected in ("every value is doubled", "adam, <two> lines", "wte[0][2]", "the step is off by one"):
        assert expected in page
    assert "adam smallest end" in {text(pre) for pre in document.iter("pre")}


def test_a_port_whose_files_have_changed_since_its_run_says_so(site: Path):
    said = "These files have changed since the run"
    assert said not in text(parsed(site / "ports" / "lua.html"))  # its base image is unknown, and so is this
    loaded, judged = manifest.load("lua"), records.made()
    based = replaced(judged, build=replaced(judged.build, base="sha256:1"))
    assert pages.changed_since(loaded, based)


def test_what_was_not_measured_is_said_with_the_command_that_measures_it(tmp_path: Path):
    found = data.read(records.save_all(tmp_path, [records.made()]), planted())
    made = {page.path: page for page in pages.all_pages(found, browser.golden_scripts())}
    assert made["measurements.html"].values["speed_plot"] is None
    written = dict(build.site(found))
    for command in ("make bench", "make bench SCALE=1", "make accuracy"):
        assert f"<code>{command}</code>" in written["measurements.html"]
    assert "<code>make mutants</code>" in written["mistakes.html"]
    assert "<code>conform laws --mutants</code>" in written["laws.html"]
    assert "<code>conform garden</code>" in written["garden.html"]
    assert "<code>conform archaeology --fetch --folder ~/clones</code>" in written["archaeology.html"]
    assert "<code>make seed-quality</code>" in written["seed_quality.html"]
    assert "<code>conform hexagons</code>" in written["hexagons.html"]


def test_a_language_without_a_port_is_offered_and_one_with_a_port_is_not(site: Path):
    offered = {one.name for one in languages.undone()}
    assert "hare" in offered and not offered & set(manifest.known_ports())
    page = text(parsed(site / "languages.html"))
    assert "LANG=hare" in page and "LANG=zig" not in page


def test_a_diagnosis_leads_to_its_mistake(site: Path):
    found = [link for link in links(parsed(site / "example.html")) if "mistakes.html#" in link]
    assert f"mistakes.html#{example.MISTAKE}" in found


def test_the_front_page_stays_small_with_a_hundred_ports(site: Path):
    page = (site / "index.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr data-outcome.*?</tr>", page, re.DOTALL)
    assert len(page) + (100 - len(rows)) * max(map(len, rows)) < 160_000


@pytest.mark.parametrize(
    "link, target",
    [
        ("SPEC.md#11-the-protocol", "spec.html#11-the-protocol"),
        ("../docs/CI.md", "ci.html"),
        ("https://example.org/x", "https://example.org/x"),
        ("#here", "#here"),
        ("levels/01-hello/", None),
    ],
)
def test_a_document_s_links_stay_in_the_site(link: str, target: str | None):
    assert documents.leads_to(link, "conformance/GUIDE.md") == target


def test_words_from_outside_are_never_taken_for_html(site: Path):
    assert "eps is &lt;inside&gt;" in (site / "mistakes.html").read_text()
    assert "A &lt;Processor&gt;" in (site / "measurements.html").read_text()


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


def test_each_size_of_larger_models_has_a_plot_of_its_own(site: Path):
    document = parsed(site / "measurements.html")
    shown = [text(figure) for figure in document.iter("figure")]
    for size, told in (("embedding", "512.0 µs"), ("block", "512.0 µs"), ("layers", "512.0 µs")):
        [one] = [words for words in shown if words.startswith(f"c-fast, {size}")]
        assert "256.0 µs, 3 % of the peak" in one and told in one
