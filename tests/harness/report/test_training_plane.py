"""Claims on the loss landscape, held against the reference and a singular value decomposition by NumPy."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy
import pytest
from in_chromium import PHONE, violations
from training_page import PATIENCE, Opener, opened, scrub, with_own_text

from reference import microgpt

pytestmark = pytest.mark.browser
LINES = ["ada", "grace", "evelyn", "mary", "hedy"]
STEPS = 12


@cache
def expected() -> tuple[float, float, float]:
    """Shares of the variance in percent, and the loss at the end on all documents."""
    preset = microgpt.PRESETS["classic"]
    preset = replace(preset, optimizer=replace(preset.optimizer, steps=STEPS))
    run = microgpt.Run(preset, LINES)
    parameters = microgpt.flatten(run.training.parameters)
    path = [[value.data for value in parameters]]
    for _ in run.losses():
        path.append([value.data for value in parameters])
    points = numpy.array(path)
    variances = numpy.linalg.svd(points - points.mean(axis=0), compute_uv=False) ** 2
    losses = [
        microgpt.document_loss(run.training.config, run.training.parameters, run.tokenizer.encode(line)).data
        for line in run.documents
    ]
    first, second = 100 * variances[:2] / variances.sum()
    return float(first), float(second), sum(losses) / len(losses)


def test_the_plane_is_that_of_the_principal_components(base: str, open_page: Opener) -> None:
    scheme = "dark" if base.startswith("http") else "light"
    page = opened(open_page, base, viewport=PHONE, color_scheme=scheme)
    with_own_text(page, LINES, STEPS)
    page.locator("#plane-go").press("Enter")
    page.locator("#plane-said", has_text="The run ends at").wait_for(timeout=PATIENCE)
    said = page.inner_text("#plane-said")
    first, second, end = expected()
    assert f"holds {first:.1f} % of its variance across and {second:.1f} % upwards" in said
    assert f"The path has {STEPS + 1} points" in said and "each on the first 5 documents" in said
    assert f"The run ends at {end:.4f};" in said
    low, high = map(float, re.findall(r"lines from (\d+\.\d+) to (\d+\.\d+)", said)[0])
    assert low < end < high
    scrub(page, 7)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_another_text_forgets_the_landscape(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    page.click("#plane-go")
    page.locator("#plane").wait_for()
    page.fill("#own-text", "ada")
    page.click("#own button[type=submit]")
    page.locator("#plane").wait_for(state="hidden")
    assert page.inner_text("#plane-go") == "Measure the landscape"
