"""Claims on the pages of the site: that they are valid and closed, and what each says. No browser here."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

import pytest
import records
from msgspec.structs import replace as replaced
from sites import parsed, planted, text

from harness import paths
from harness.build import manifest
from harness.fleet import example
from harness.report.site import browser, build, data, documents, languages, pages

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


def test_each_size_of_larger_models_has_a_plot_of_its_own(site: Path):
    document = parsed(site / "measurements.html")
    shown = [text(figure) for figure in document.iter("figure")]
    for size, told in (("embedding", "512.0 µs"), ("block", "512.0 µs"), ("layers", "512.0 µs")):
        [one] = [words for words in shown if words.startswith(f"c-fast, {size}")]
        assert "256.0 µs, 3 % of the peak" in one and told in one
