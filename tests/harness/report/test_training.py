"""Claims on the page that trains, in headless Chromium, from a file and from a web server."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from in_chromium import PHONE, violations
from training_page import Opener, at, opened, scrub

from harness.report.site import browser, training
from reference import microgpt

pytestmark = pytest.mark.browser
WITNESS = Path(microgpt.__file__).parent / "witness"
MOST_BYTES = 250_000


def bits(page: Any) -> list[str]:
    """Everything that the page says of a step in bits."""
    places = (
        "#sum-parameters",
        "#sum-gradients",
        "#sum-m",
        "#sum-v",
        "#parameter",
        "#weight",
        "#product-terms",
    )
    return [page.inner_text(place) for place in places]


def test_a_whole_training_has_every_step_right(base: str, open_page: Opener) -> None:
    page = opened(open_page, base, reduced_motion="no-preference")
    page.select_option("#speed", "full")
    assert at(page, 1000) == "step 1,000: 4,192 of 4,192 right"
    assert page.text_content("#checked") == "all 1,000 steps checked, bit by bit"
    last = (WITNESS / "steps.txt").read_text().splitlines()[-1]
    assert f" p {page.inner_text('#sum-parameters')}" in last
    assert page.inner_text("#play") == "Play", "it stops at the end"


def test_the_last_names_are_those_that_the_original_prints(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    scrub(page, 1000)
    drawn = page.locator("#names > li").last.locator("ol > li").all_inner_texts()
    printed = re.findall(r"^sample +\d+: (.*)$", (WITNESS / "printed.txt").read_text(), re.MULTILINE)
    assert len(drawn) == 10 and drawn == printed[:10]
    assert page.locator("#names > li").count() == 1 + 1000 // training.DRAWS_EVERY


def test_a_step_has_the_same_bits_from_both_sides(base: str, open_page: Opener) -> None:
    page = opened(open_page, base)
    scrub(page, 417)
    first = bits(page)
    scrub(page, 1000)
    assert bits(page) != first
    assert scrub(page, 417) == "step 417: 4,192 of 4,192 right"
    assert bits(page) == first
    scrub(page, 3)
    scrub(page, 0)
    scrub(page, 417)
    assert bits(page) == first


def test_a_wrong_bit_is_seen_and_said(site: Path, tmp_path: Path, open_page: Opener) -> None:
    """The page is given goldens in which one digit of one step is another."""
    steps = training.golden_steps().splitlines()
    wrong = steps[416][:-1] + ("0" if steps[416][-1] != "0" else "1")
    names = (Path(microgpt.__file__).parent / "garden" / "names.txt").read_text()
    data = {"names": names, "steps": "\n".join([*steps[:416], wrong, *steps[417:]])}
    shutil.copytree(site / "static", tmp_path / "static")
    shutil.copy(site / "train.html", tmp_path)
    (tmp_path / "goldens").mkdir()
    (tmp_path / "goldens" / "train.js").write_text(browser.packed(training.STEM, data))
    page = opened(open_page, tmp_path.as_uri())
    assert scrub(page, 417) == "step 417: parameters not the original’s"
    assert scrub(page, 418) == "step 418: 4,192 of 4,192 right"
    assert page.text_content("#checked") == "417 right of 418 steps checked, bit by bit"


def test_everything_goes_by_keyboard(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    page.locator("#forward").focus()
    page.keyboard.press("Enter")
    assert at(page, 1).endswith("right")
    page.locator("#scrub").focus()
    page.keyboard.press("ArrowRight")
    at(page, 2)
    page.keyboard.press("End")
    at(page, 1000)
    page.locator("#maps canvas").first.focus()
    assert page.inner_text("#parameter-name").startswith("wte[0][0]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#parameter-name") == "wte[1][1], row of “b”"
    page.locator("#attention canvas").nth(2).focus()
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#weight").startswith("Head 3: position 1")
    page.locator("#product canvas").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#product-title").startswith("Row 1 of layer0.attn_wq")


@pytest.mark.parametrize("product", range(len(training.PRODUCTS)))
def test_a_product_comes_to_the_engines_bits(product: int, site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    scrub(page, 30)
    page.select_option("select[name=position]", "2")
    page.select_option("select[name=product]", str(product))
    for _ in range(3):
        assert page.inner_text("#product-verdict").endswith("every bit of the engine’s own result.")
        page.locator("#product canvas").first.focus()
        page.keyboard.press("ArrowDown")
    assert page.locator("#product-terms tbody tr").count() == (64 if product == 5 else 16)


def test_adams_step_is_computed_once_more_to_the_same_bits(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    for step in (1, 2, 417, 1000):
        scrub(page, step)
        for which in (0, 7):
            page.locator("#maps canvas").nth(which).focus()
            assert page.inner_text("#terms").endswith("The same 64 bits as the engine’s.")


def test_with_reduced_motion_nothing_starts_by_itself(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    assert page.get_attribute("#train", "data-state") == "paused"
    assert page.inner_text("#ticker") == "step 0: 4,192 random numbers"
    moving = opened(open_page, site.as_uri(), reduced_motion="no-preference")
    moving.locator("#train[data-state=playing]").wait_for()


def test_it_stops_when_the_page_is_hidden(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri(), reduced_motion="no-preference")
    page.locator("#train[data-state=playing]").wait_for()
    page.evaluate(
        """() => {
          Object.defineProperty(document, 'hidden', { value: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    assert page.get_attribute("#train", "data-state") == "paused"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1400, "height": 900}], ids=["phone", "desktop"])
def test_axe_finds_nothing_while_there_is_something_to_see(
    viewport: dict[str, int], scheme: str, site: Path, open_page: Opener
) -> None:
    page = opened(open_page, site.as_uri(), viewport=viewport, color_scheme=scheme)
    scrub(page, 417)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_the_page_is_light(site: Path) -> None:
    text = (site / "train.html").read_text()
    loaded = re.findall(r'(?:src|href)="(static/[\w.-]+)"', text)
    assert {"static/train.js", "static/train-worker.js", "static/style.css"} <= set(loaded)
    assert len(text) + sum((site / name).stat().st_size for name in loaded) <= MOST_BYTES


def test_the_goldens_are_one_line_a_step() -> None:
    steps = [line.split(" ") for line in training.golden_steps().splitlines()]
    assert len(steps) == 1000
    assert all(
        len(words) == 5 and all(re.fullmatch("[0-9a-f]{16}", word) for word in words) for words in steps
    )
