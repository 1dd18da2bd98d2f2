"""Claims on the graph of a step: its scalars, and the gradient that flows back edge by edge."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from in_chromium import PHONE, violations
from training_page import Opener, opened, scrub

pytestmark = pytest.mark.browser


def graph_at(page: Any, step: int) -> str:
    """What the page says of the graph of this step, once it is open."""
    scrub(page, step)
    of = page.locator("#graph-of", has_text="Before the first step" if step == 0 else f"Step {step}:")
    of.wait_for()
    return str(of.inner_text())


def edge(page: Any, k: int) -> str:
    page.evaluate(
        """(k) => {
          const edge = document.getElementById('edge');
          edge.value = k;
          edge.dispatchEvent(new Event('input'));
        }""",
        k,
    )
    return str(page.inner_text("#flowed"))


def rows(page: Any, table: str) -> list[list[str]]:
    found = page.eval_on_selector_all(
        f"#{table} tbody tr", "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return [[cell.replace("−", "-") for cell in row] for row in found]


def test_the_gradients_of_the_graph_are_the_engines(base: str, open_page: Opener) -> None:
    page = opened(open_page, base)
    assert graph_at(page, 0).endswith("all 4,192 gradients have the engine’s bits.")
    assert graph_at(page, 417).endswith("all 4,192 gradients have the engine’s bits.")
    assert page.locator("#graph canvas").count() == 28


def test_each_number_adds_up_what_is_sent_back_to_it(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    graph_at(page, 30)
    boxes = page.locator("#graph canvas")
    for box in range(boxes.count()):
        boxes.nth(box).focus()
        page.keyboard.press("ArrowRight")
        verdict = page.inner_text("#node-verdict")
        assert verdict.endswith("every bit of its gradient.") or verdict.startswith("This is the loss"), box
        total = 0.0
        for _, upstream, local, sent, so_far, _ in rows(page, "used-by"):
            assert float(local) * float(upstream) == float(sent)
            total += float(sent)
            assert total == float(so_far)


def test_what_a_number_is_made_from_is_shown_and_leads_on(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    graph_at(page, 30)
    page.locator("#graph canvas[aria-label^='logits:']").focus()
    assert page.inner_text("#node") == "pos2.logits[0]"
    assert page.inner_text("#node-how") == "Made from: a dot product"
    made = rows(page, "made-from")
    assert [row[0] for row in made[:2]] == ["lm_head[0][0]", "pos2.mlp_residual[0]"] and len(made) == 32
    assert made[0][1] == made[1][2] and made[1][1] == made[0][2], "a factor's local gradient is the other"
    assert page.locator("#node-fan path").count() == 8 + 1, (
        "eight of what it is made from, one that it goes into"
    )
    page.locator("#made-from button").nth(1).press("Enter")
    assert page.inner_text("#node") == "pos2.mlp_residual[0]"
    assert len(rows(page, "used-by")) == 27


def test_the_gradient_flows_edge_by_edge_and_can_be_paused(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    graph_at(page, 30)
    assert edge(page, 0).startswith("Before the first of ")
    said = []
    for _ in range(3):
        page.locator("#edge-forward").press("Enter")
        said.append(page.inner_text("#flowed"))
    assert re.match(r"Edge 1 of [\d,]+, a product \(node \d+\) to ", said[0])
    page.locator("#edge-back").press("Enter")
    assert page.inner_text("#flowed") == said[1], "backwards, too"
    page.locator("#edge-here").press("Enter")
    assert re.match(r"Edge [\d,]+ of [\d,]+, .* to pos2\.attn_residual\[0\]:", page.inner_text("#flowed"))
    assert page.locator("#used-by tr[data-state=flowed]").count() == 1
    page.click("#flow")
    page.locator("#flow", has_text="Pause").click()
    stopped = page.inner_text("#flowed")
    assert page.inner_text("#flow") == "Let it flow"
    page.wait_for_timeout(300)
    assert page.inner_text("#flowed") == stopped
    last = page.evaluate("Number(document.getElementById('edge').max)")
    assert edge(page, last).startswith(f"Edge {last:,} of {last:,}")
    assert page.locator("#used-by tbody tr:not([data-state=flowed])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_graph(scheme: str, site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri(), viewport=PHONE, color_scheme=scheme)
    graph_at(page, 30)
    edge(page, 9000)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
