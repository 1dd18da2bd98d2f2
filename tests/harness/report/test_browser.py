"""Claims on the site in a real browser, headless Chromium: from a file and from a web server.

Without Chromium they are left out; in CI (CI is set) that is a failure.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from in_chromium import PHONE, violations
from sites import planted

from conformance import ladder
from harness.build import manifest
from harness.report.site import browser as scripts

pytestmark = pytest.mark.browser
PAGES = (
    "index",
    "train",
    "lesson",
    "example",
    "check",
    "browser",
    "measurements",
    "mistakes",
    "languages",
    "laws",
    "garden",
    "archaeology",
    "seed_quality",
    "hexagons",
    "docs/spec",
    "ports/c/exact.h",
    "ports/c",
    "ports/lua",
    "ports/go",
    "ports/zig",
)
JUDGED = {"c", "haskell", "javascript", "lua", "zig"}
"""The ports of which the results of the tests' site know anything; zig could not be built."""
PATIENCE = 120_000  # milliseconds for all levels, on a machine that others use


# ---------------------------------------------------------------- every page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_without_a_word_on_the_console(base: str, name: str, open_page: Callable[..., Any]):
    page = open_page(base, name)
    assert page.locator("h1").count() == 1
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none", "the style sheet is missing"


RIGHT = "const scale = tape.pow(tape.add(meanSquare, tape.leaf(1e-5)), -0.5);"
WRONG = "const scale = tape.pow(tape.pow(tape.add(meanSquare, tape.leaf(1e-5)), 0.5), -1);"

UNFOLD = "for (const details of document.querySelectorAll('details')) details.open = true;"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(site: Path, name: str, scheme: str, open_page: Callable[..., Any]):
    page = open_page(site.as_uri(), name, color_scheme=scheme)
    page.evaluate(f"() => {{ {UNFOLD} }}")
    assert violations(page) == []
    page.set_viewport_size(PHONE)
    assert violations(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_never_scrolls_a_page_sideways(site: Path, name: str, open_page: Callable[..., Any]):
    page = open_page(site.as_uri(), name, viewport=PHONE)
    page.evaluate(f"() => {{ {UNFOLD} }}")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_dark_and_light_are_two_different_pages(site: Path, open_page: Callable[..., Any]):
    colours = {
        open_page(site.as_uri(), "index", color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    }
    assert len(colours) == 2


# ---------------------------------------------------------------- the matrix


def ports(page: Any) -> list[str]:
    """The names of the ports that are shown, from top to bottom."""
    links = page.locator("#matrix tbody tr:visible th a").all()
    return [Path(link.get_attribute("href")).stem for link in links]


def test_the_matrix_is_sorted_by_click(base: str, open_page: Callable[..., Any]):
    page = open_page(base, "index")
    step = page.locator("#matrix thead th", has_text="step")
    assert sorted(ports(page)) == list(manifest.known_ports())
    families = page.locator("#matrix tbody td:nth-last-child(4)").all_inner_texts()
    assert families == sorted(families)
    step.get_by_role("button").click()
    assert ports(page)[:2] == ["c", "lua"] and step.get_attribute("aria-sort") == "ascending"
    step.get_by_role("button").click()
    assert ports(page)[:2] == ["lua", "c"], "what was not measured comes last either way"
    assert step.get_attribute("aria-sort") == "descending"
    assert page.locator("#matrix [aria-sort]").count() == 1


def test_the_matrix_is_sorted_by_keyboard(site: Path, open_page: Callable[..., Any]):
    page = open_page(site.as_uri(), "index")
    page.locator("#verdict").focus()
    for _ in range(5):  # the box around the table, the headings 'port', 'verdict', 'µs a step', 'hello'
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.title") == "sort by 1 hello"
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    heading = page.locator("#matrix thead th", has_text="hello")
    assert heading.get_attribute("aria-sort") == "descending"
    without = {*manifest.known_ports()} - JUDGED | {"zig"}
    assert {*ports(page)[-len(without) :]} == without, "ports without a result come last"


def test_the_matrix_is_filtered_by_words_and_by_verdict(site: Path, open_page: Callable[..., Any]):
    page = open_page(site.as_uri(), "index")
    known = manifest.known_ports()
    page.fill("#find", "test 1.0  lua")
    assert ports(page) == ["lua"] and page.inner_text("#shown") == f"1 of {len(known)} ports"
    page.fill("#find", "")
    page.select_option("#verdict", "does not conform")
    assert sorted(ports(page)) == ["c", "haskell", "zig"]
    page.select_option("#verdict", "not run")
    assert sorted(ports(page)) == [name for name in known if name not in JUDGED]
    assert page.url.endswith("#verdict=not+run"), "it can be sent to somebody"
    page.reload()
    assert sorted(ports(page)) == [name for name in known if name not in JUDGED]
    page.fill("#find", "✓")
    assert ports(page) == [], "what no one sees in the first column is not found"
    page.fill("#find", "no such port")
    assert ports(page) == [] and page.inner_text("#shown") == f"0 of {len(known)} ports"


def test_without_javascript_everything_but_the_browser_s_own_run_can_be_read(
    site: Path, open_page: Callable[..., Any]
):
    page = open_page(site.as_uri(), "index", java_script_enabled=False)
    assert len(ports(page)) == len(manifest.known_ports())
    assert not page.is_visible("#filters") and page.locator("#matrix button").count() == 0
    page = open_page(site.as_uri(), "browser", java_script_enabled=False)
    assert page.is_visible("noscript p") and not page.is_visible("#run")
    page = open_page(site.as_uri(), "ports/c", java_script_enabled=False)
    page.locator("a", has_text="exact.h").click()
    assert page.is_visible("div[aria-label='exact.h']")


# ---------------------------------------------------------------- the visitor's browser


def run(page: Any) -> None:
    page.click("#run")
    page.locator("#run:enabled").wait_for(timeout=PATIENCE)


def test_this_browser_is_bit_exact_on_every_level(base: str, open_page: Callable[..., Any]):
    page = open_page(base, "browser")
    run(page)
    rows = [row.inner_text().split("\t") for row in page.locator("#levels tbody tr").all()]
    assert [row[2] for row in rows] == ["✓ bit-exact"] * 12
    counts = [sum(not case.long and not case.large for case in level.cases) for level in ladder.levels()]
    assert [row[3] for row in rows] == [f"{count}/{count}" for count in counts]
    assert page.inner_text("#verdict").startswith("Your browser is bit-exact: 12 of 12 levels")
    report = page.input_value("#report")
    assert f"{sum(counts)} cases" in report and "no divergence" in report and "Chrome/" in report
    assert not page.is_visible("#first")
    assert violations(page) == []


def test_long_cases_are_asked_if_they_are_wanted(site: Path, open_page: Callable[..., Any]):
    page = open_page(site.as_uri(), "browser")
    page.check("#long")
    run(page)
    cases = sum(not case.large for level in ladder.levels() for case in level.cases)
    assert f"{cases} cases" in page.input_value("#report")
    assert page.inner_text("#verdict").startswith("Your browser is bit-exact")


def test_the_browser_s_own_functions_are_not_right(site: Path, open_page: Callable[..., Any]):
    page = open_page(site.as_uri(), "browser")
    page.check("input[value=native]")
    run(page)
    assert "With its own Math, your browser differs" in page.inner_text("#verdict")
    rows = [row.inner_text().split("\t") for row in page.locator("#functions tbody tr").all()]
    assert sorted(row[0] for row in rows) == ["cos", "exp", "log", "pow", "sin"]
    for _, right, one, two, more, share in rows:
        wrong = sum(int(count.replace(",", "")) for count in (one, two, more))
        assert wrong > 0, "this engine is right everywhere: what it shows is no example any more"
        assert share == f"{100 * wrong / (wrong + int(right.replace(',', ''))):.1f} %"
    assert "level 3, math" in page.inner_text("#first") and violations(page) == []


def test_a_second_run_begins_anew(site: Path, open_page: Callable[..., Any]):
    page = open_page(site.as_uri(), "browser")
    page.check("input[value=native]")
    run(page)
    page.check("input[value=exact]")
    run(page)
    assert page.inner_text("#verdict").startswith("Your browser is bit-exact")
    assert not page.is_visible("#first") and not page.is_visible("#functions")


def copy_of(site: Path, folder: Path) -> Path:
    shutil.copytree(site, folder / "site")
    return folder / "site"


def test_a_wrong_port_turns_red_and_its_first_divergence_is_named(
    site: Path, tmp_path: Path, open_page: Callable[..., Any]
):
    """The mistake of the example, planted in the page's own script: the page finds what the harness found."""
    wrong = copy_of(site, tmp_path)
    script = (wrong / "static" / "worker.js").read_text()
    assert script.count(RIGHT) == 1
    (wrong / "static" / "worker.js").write_text(script.replace(RIGHT, WRONG))
    page = open_page(wrong.as_uri(), "browser")
    run(page)
    verdicts = [row.inner_text().split("\t")[2] for row in page.locator("#levels tbody tr").all()]
    assert verdicts[:6] == ["✓ bit-exact"] * 6 and verdicts[6] != "✓ bit-exact"
    [level] = planted().record.levels
    first = level.failures[0].difference
    assert level.verb == "forward" and first is not None
    shown = page.inner_text("#first")
    tensor = first.checkpoint.partition("[")[0]
    assert "level 7, forward, case example" in shown and f"below 'tensor {tensor} " in shown
    assert first.expected in shown and first.got in shown


def test_a_file_that_is_missing_is_said_and_not_waited_for(site: Path, tmp_path: Path, chromium: Any):
    broken = copy_of(site, tmp_path)
    (broken / "goldens" / "05-tokens.js").unlink()
    page = chromium.new_page()
    page.goto(f"{broken.as_uri()}/browser.html")
    run(page)
    assert page.inner_text("#verdict") == "It did not run to its end: goldens/05-tokens.js cannot be loaded."
    page.close()


def test_the_result_can_be_copied(server: str, open_page: Callable[..., Any]):
    page = open_page(server, "browser", permissions=["clipboard-read", "clipboard-write"])
    run(page)
    page.click("#copy")
    page.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.input_value("#report")


# ---------------------------------------------------------------- the comparison in the page


CHANGES: tuple[tuple[str, Callable[[str], str], str], ...] = (
    ("forward/example", lambda text: text, ""),
    (
        "forward/example",
        lambda text: text.replace("3feffff5837b8811", "7ff8000000000000", 1),
        "word 1 of 'row'",
    ),
    ("forward/example", lambda text: text.replace(" 0000000000000000", " 8000000000000000", 1), "of 'row'"),
    ("forward/example", lambda text: "\n".join(text.split("\n")[:9]) + "\nend\n", "line 10"),
    ("forward/example", lambda text: "error example no\nend\n", "line 1"),
    ("run/example", lambda text: text.replace("print 110", "print 111", 1), "of 'print'"),
    ("sample/example", lambda text: text.replace("token 0", "token 1", 1), "word 1 of 'token'"),
)


@pytest.mark.parametrize(("name", "change", "place"), CHANGES)
def test_the_page_says_where_a_reply_is_another_text(
    site: Path, name: str, change: Callable[[str], str], place: str, open_page: Callable[..., Any]
):
    golden = ladder.find_case(name).path.with_suffix(".golden").read_text()
    alone = "self.compareAlone = modules['./compare.js'].compare;\nself.onmessage"
    script = scripts.worker_script().replace("self.onmessage", alone)
    page = open_page(site.as_uri(), "example")
    page.evaluate(f"{script}\nconformanceWorker();")
    found = page.evaluate("texts => self.compareAlone(...texts)", [golden, change(golden)])
    assert (found["different"] == 0) == (found["first"] is None) == (place == "")
    if place:
        assert place in found["first"]["checkpoint"]
        assert found["first"]["expected"] != found["first"]["got"]
