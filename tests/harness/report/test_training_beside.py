"""Claims on the second run beside the first: witness, known mistakes, other arithmetic."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from in_chromium import ARGUMENTS, PHONE, violations
from training_page import PATIENCE, Opener, opened, with_own_text

from harness.explain.mutants import replays
from harness.report.site import training

pytestmark = pytest.mark.browser
EXECUTABLE = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NAMES = 7347  # documents of the page's dataset


def beside(page: Any, name: str) -> str:
    """What the page says of this second run, once it has come to its end."""
    page.select_option("#beside select", name)
    page.click("#beside-go")
    page.locator("#beside-verdict", has_text=re.compile("part|same|differs")).wait_for(timeout=PATIENCE)
    page.locator("#beside-go", has_text=re.compile("^Run it beside$")).wait_for(timeout=PATIENCE)
    return str(page.inner_text("#beside-verdict"))


def fact(page: Any, term: str) -> str:
    """What stands beside this term; nothing if it is not there."""
    row = page.locator("#beside-facts > div", has=page.locator("dt", has_text=re.compile(f"^{term}")))
    return str(row.locator("dd").inner_text()) if row.count() else ""


def test_the_port_is_a_second_witness_of_every_bit(base: str, open_page: Opener) -> None:
    page = opened(open_page, base)
    assert beside(page, "") == "1,000 of 1,000 steps: the same bits to the end"
    assert fact(page, "parameters") == "not apart at all"
    assert not page.locator("#beside-lines").is_visible()
    page.locator("#witness").press("Enter")
    page.locator("#beside-go", has_text="Stop").wait_for()
    page.locator("#beside-verdict", has_text="the same bits to the end").wait_for(timeout=PATIENCE)


FIRST = {
    "no-bias-correction": "wte[0][0]: ",
    "betas-of-libraries": "m of wte[0][0]: ",
    "gradients-not-reset": "the gradient of wte[0][0]: ",
    "scale-missing": "pos0.layer0.head0.scores[0]: ",
    "feed-forward-residual-missing": "pos0.layer0.mlp_residual[0]: ",
    "summed-loss": "loss: ",
}
"""The first quantity that differs."""


def test_mistakes_print_what_the_same_mistakes_in_the_reference_print(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    stored = replays.stored("classic", NAMES)
    for name in training.MISTAKES:
        assert re.fullmatch(r"They part (before the first step|at step [12])", beside(page, name)), name
        assert page.locator("#beside-lines del").count() == page.locator("#beside-lines ins").count() > 0
        assert fact(page, "first to differ").startswith(FIRST.get(name, "")), name
        printed = re.match(r"step ([\d,]+): ([\d.]+) in place of", fact(page, "first printed loss"))
        if name == "float32-parameters":
            assert printed is None
        else:
            assert printed, name
            known = stored[name]["losses"][str(int(printed[1]) - 1)]
            assert float(printed[2]) == pytest.approx(known, abs=5.1e-5), name


def test_rounding_moves_bits_and_no_printed_loss(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    for name in ("native-math", "dots-from-right"):
        assert beside(page, name).startswith("They part")
        assert fact(page, "first printed loss") == "none"
        assert re.fullmatch(r"apart by \d\.\de−1[0-9] of their size", fact(page, "parameters"))


def test_float32_on_the_graphics_processor_stays_near(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    with_own_text(page, ["ada", "grace", "evelyn boyd granville", "mary", "hedy"], 30)
    assert beside(page, "float32") == "30 of 30 steps: the same printed losses to the end"
    assert fact(page, "computed by") != ""
    assert re.fullmatch(r"apart by \d\.\de−[678] of their size", fact(page, "parameters"))
    assert fact(page, "first to differ") == "", "only what can be seen of it is compared"


def test_where_no_webgl_2_is_the_page_says_so_and_goes_on(site: Path, chromium: Any) -> None:
    without = chromium.browser_type.launch(
        executable_path=EXECUTABLE, args=[*ARGUMENTS, "--disable-software-rasterizer"]
    )
    try:
        page = without.new_context(reduced_motion="reduce").new_page()
        page.goto(f"{site.as_uri()}/train.html")
        page.locator("#train").wait_for()
        page.select_option("#beside select", "float32")
        page.click("#beside-go")
        page.locator("#beside-verdict", has_text="offers no WebGL 2").wait_for()
        page.locator("#beside-go", has_text="Run it beside").wait_for()
        page.click("#forward")
        page.locator("#ticker", has_text="step 1: 4,192 of 4,192 right").wait_for()
    finally:
        without.close()


def test_a_second_run_can_be_stopped_and_begun_again(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    page.locator("#beside select").focus()
    page.locator("#beside-go").press("Enter")
    page.locator("#beside-facts dt").first.wait_for()
    page.locator("#beside-go", has_text="Stop").press("Enter")
    assert page.inner_text("#beside-verdict") == "Stopped."
    assert beside(page, "summed-loss") == "They part at step 1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_beside(scheme: str, site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri(), viewport=PHONE, color_scheme=scheme)
    beside(page, "keys-and-values-without-history")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
