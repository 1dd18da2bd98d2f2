"""Claims on the page that judges outputs, in headless Chromium, from a file and from a web server.

That its answers are those of `conform check`, tests/harness/judge/test_check_outputs.py shows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import outputs
import pytest
from in_chromium import PHONE, violations

pytestmark = pytest.mark.browser
Opener = Callable[..., Any]
ORIGINAL, *_ = outputs.right()
DROP = """([name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name));
  for (const kind of ['dragover', 'drop']) {
    const options = { dataTransfer: data, bubbles: true, cancelable: true };
    document.getElementById('start').dispatchEvent(new DragEvent(kind, options));
  }
}"""


def answer(page: Any) -> str:
    page.locator("#time:not(:empty)").wait_for()
    return str(page.inner_text("#verdict"))


def with_a_wrong_step(text: str) -> str:
    [line] = [line for line in text.split("\n") if line.startswith("step  500 /")]
    return text.replace(line, f"{line[:-6]}9.9999")


def test_a_pasted_log_is_judged_on_the_spot(base: str, open_page: Opener) -> None:
    page = open_page(base, "check")
    page.fill("#pasted", ORIGINAL.data.decode())
    page.get_by_role("button", name="Check").click()
    verdict = "right as far as it is printed: all 1,000 losses and 20 samples agree in all 4 decimals"
    assert answer(page).startswith(f"the pasted text: {verdict}")
    assert page.locator("#results svg.plot").count() == 2
    assert "the project's own 7,347 names" in page.inner_text("#results")


def test_a_dropped_file_shows_where_it_goes_wrong(base: str, open_page: Opener) -> None:
    page = open_page(base, "check")
    page.evaluate(DROP, ["my.log", with_a_wrong_step(ORIGINAL.data.decode())])
    assert (
        answer(page) == "my.log: wrong from step 500 on: the first 499 losses agree, and 1 of 1,000 do not."
    )
    facts = page.inner_text("#results .facts >> nth=0")
    assert "step 500: loss, line 503" in facts and "9.9999" in facts
    assert page.locator("#results line.mark").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_example_is_diagnosed_and_axe_finds_nothing(site: Path, scheme: str, open_page: Opener) -> None:
    page = open_page(site.as_uri(), "check", color_scheme=scheme)
    page.get_by_role("button", name="without Adam's bias correction").click()
    assert "wrong from step 2 on" in answer(page)
    assert (
        "Adam has no bias correction: all 40 losses that were tried (no-bias-correction)"
        in page.inner_text("#results")
    )
    assert violations(page) == []
    page.set_viewport_size(PHONE)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_several_files_are_chosen_by_keyboard_and_each_is_answered(
    site: Path, tmp_path: Path, open_page: Opener
) -> None:
    right, wrong = tmp_path / "right.log", tmp_path / "wrong.log"
    right.write_bytes(ORIGINAL.data)
    wrong.write_text(with_a_wrong_step(ORIGINAL.data.decode()))
    page = open_page(site.as_uri(), "check")
    page.locator("#pasted").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "run"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    page.set_input_files("#files", [right, wrong])
    assert answer(page) == "1 of 2 outputs agree."
    assert page.locator("#results h2").all_inner_texts() == ["right.log", "wrong.log"]
    assert violations(page) == []


def test_a_trace_is_compared_with_what_the_browser_computes(site: Path, open_page: Opener) -> None:
    losses = outputs.run().losses
    found = outputs.quantities()
    rows = {f"step{i}.loss": [losses[i]] for i in range(3)} | {"step0.grad.wpe": found["step0.grad.wpe"]}
    page = open_page(site.as_uri(), "check")
    page.fill(
        "#pasted",
        outputs.lines(f"{name} {' '.join(map(float.hex, xs))}" for name, xs in rows.items()).decode(),
    )
    page.click("#run")
    assert answer(page) == "the pasted text: bit-exact: all 4 quantities are the reference's."


def test_what_cannot_be_read_gets_a_sentence(site: Path, open_page: Opener) -> None:
    page = open_page(site.as_uri(), "check")
    page.fill("#pasted", "hello")
    page.click("#run")
    assert answer(page).startswith(
        "no line of the pasted text has a step and a loss; its first line is 'hello'"
    )
    page.click("summary")
    page.fill("input[name=pattern]", r"at (?P<step>\d+): (?P<loss>[\d.]+)")
    page.fill(
        "#pasted", "".join(f"at {i}: {x:.4f}\n" for i, x in enumerate(outputs.run().losses[:9], start=1))
    )
    page.click("#run")
    page.get_by_text("all 9 losses agree in all 4 decimals").wait_for()
