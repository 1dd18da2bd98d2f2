"""The page that trains, opened and brought to a step."""

import re
from collections.abc import Callable, Sequence
from typing import Any

Opener = Callable[..., Any]
PATIENCE = 60_000  # milliseconds for a whole training, on a machine that others use
SCRUB = """(step) => {
  const scrub = document.getElementById('scrub');
  scrub.value = step;
  scrub.dispatchEvent(new Event('input'));
}"""
CALM = {"reduced_motion": "reduce"}
"""With reduced motion nothing starts by itself, so that a test begins at step 0."""


def opened(open_page: Opener, base: str, **options: Any) -> Any:
    page = open_page(base, "train", **{**CALM, **options})
    page.locator("#train").wait_for(state="visible")
    return page


def at(page: Any, step: int) -> str:
    """What the ticker says of this step, once it is reached."""
    said = page.locator("#ticker", has_text=re.compile(rf"^step {step:,}:"))
    said.wait_for(timeout=PATIENCE)
    return str(said.inner_text())


def scrub(page: Any, step: int) -> str:
    page.evaluate(SCRUB, step)
    return at(page, step)


def with_own_text(page: Any, lines: Sequence[str], steps: int) -> None:
    """Trains on these lines instead of the page's names, and waits until that begins."""
    page.fill("#own-text", "\n".join(lines))
    page.fill("input[name=steps]", str(steps))
    page.locator("#own button[type=submit]").press("Enter")
    page.locator(f"#scrub[max='{steps}']").wait_for()
