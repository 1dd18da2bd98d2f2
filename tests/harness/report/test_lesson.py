"""Claims on the page that teaches, in headless Chromium, from a file and from a web server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from in_chromium import PHONE, violations

from harness.report.site import lesson
from reference.app import expression, graph

pytestmark = pytest.mark.browser
Opener = Callable[..., Any]
CHAPTERS = ("numbers", "chain-rule", "a-loss", "landscape", "adam", "attention", "names")
MOST_BYTES = 150_000
DESKTOP = {"width": 1400, "height": 900}


def opened(open_page: Opener, base: str, **options: Any) -> Any:
    page = open_page(base, "lesson", **options)
    page.locator("#lesson").wait_for(state="visible")
    return page


def chapter(page: Any, name: str) -> None:
    page.locator(f".chapters a[href='#{name}']").click()
    page.locator(f"#{name}").wait_for(state="visible")


def typed(page: Any, text: str) -> None:
    page.fill("#text", text)


def steps(page: Any) -> int:
    return int(page.get_attribute("#scrub", "max"))


def box(page: Any, name: str) -> Any:
    return page.locator("#graph .node", has=page.locator("text.name", has_text=re.compile(f"^{name}$")))


def seen(page: Any, name: str) -> tuple[str, str]:
    """Value and gradient in a node's box."""
    return box(page, name).locator(".value").text_content(), box(page, name).locator(".grad").text_content()


def lit(page: Any) -> str:
    lines = page.locator(".engine .lit").all_text_contents()
    assert len(lines) == 1
    return str(lines[0]).strip()


# ---------------------------------------------------------------- stepping


def test_it_steps_forward_and_backward_in_order(base: str, open_page: Opener) -> None:
    page = opened(open_page, base)
    assert seen(page, "d") == ("?", "")
    assert page.is_disabled("#back")
    expected = [
        ("v1 = a × b = 2.0 × (−3.0) = −6.0", "return new Value(this.data * b.data"),
        ("d = v1 + c = (−6.0) + 10.0 = 4.0", "return new Value(this.data + b.data"),
        ("result = d × −2.0 = 4.0 × (−2.0) = −8.0", "return new Value(this.data * b.data"),
        ("dresult/dresult = 1.0", "this.grad = 1"),
        ("d/dd += local × upstream = (−2.0) × 1.0 = −2.0", "child.grad +="),
        ("d/d(−2.0) += local × upstream = 4.0 × 1.0 = 4.0", "child.grad +="),
        ("d/dv1 += local × upstream = 1.0 × (−2.0) = −2.0", "child.grad +="),
        ("d/dc += local × upstream = 1.0 × (−2.0) = −2.0", "child.grad +="),
        ("d/da += local × upstream = (−3.0) × (−2.0) = 6.0", "child.grad +="),
        ("d/db += local × upstream = 2.0 × (−2.0) = −4.0", "child.grad +="),
    ]
    for sentence, line in expected:
        page.click("#forward")
        assert page.inner_text("#now") == sentence
        assert lit(page).startswith(line)
    assert page.is_disabled("#forward")
    assert [seen(page, name) for name in "abc"] == [("2.0", "6.0"), ("−3.0", "−4.0"), ("10.0", "−2.0")]
    for sentence, _ in reversed(expected[:-1]):
        page.click("#back")
        assert page.inner_text("#now") == sentence
    assert seen(page, "d") == ("?", "")


def test_a_number_that_is_used_twice_adds_up(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    typed(page, "a = 3; a * a")
    assert page.inner_text("#now") == "d/da += local × upstream = 3.0 × 1.0 = 3.0"
    assert "it adds up: 3.0 + 3.0 = 6.0" in page.inner_text("#why")
    assert seen(page, "a") == ("3.0", "6.0")


@pytest.mark.parametrize("example", (*lesson.EXAMPLES, *lesson.PARTS), ids=lambda one: one.name)
def test_each_example_ends_with_the_references_gradients(
    example: lesson.Example, site: Path, open_page: Opener
) -> None:
    page = opened(open_page, site.as_uri())
    page.select_option("#example", example.name)
    read = expression.read(example.text)
    read.result.backward()
    page.locator("#scrub").focus()
    page.keyboard.press("End")
    for node, name in read.inputs.items():
        value, grad = seen(page, name)
        assert float(value.replace("−", "-")) == pytest.approx(node.data, rel=1e-4)
        assert float(grad.replace("−", "-")) == pytest.approx(node.grad, rel=1e-4)
    assert steps(page) == sum(bool(node.children) for node in read.nodes) + 1 + len([*graph.products(read)])
    page.locator("#all summary").click()
    page.locator("#steps li").nth(steps(page)).wait_for()
    assert page.locator("#steps li").count() == steps(page) + 1


def test_it_plays_to_the_end_and_stops(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    typed(page, "a = 2; a + 1")
    page.click("#play")
    assert page.inner_text("#play") == "Pause"
    page.locator("#play", has_text="Play").wait_for(timeout=20_000)
    assert page.inner_text("#count") == f"step {steps(page)} of {steps(page)}"


# ---------------------------------------------------------------- typing and dragging


def test_what_is_typed_is_drawn(base: str, open_page: Opener) -> None:
    page = opened(open_page, base)
    typed(page, "x*y + relu(y - 4)")
    assert [seen(page, name) for name in ("x", "y")] == [("1.0", "2.0"), ("2.0", "1.0")]
    assert page.locator("#inputs label").count() == 2
    assert page.input_value("#example") == ""


def test_a_wrong_expression_gets_a_sentence_and_the_last_right_one_stays(
    site: Path, open_page: Opener
) -> None:
    page = opened(open_page, site.as_uri())
    typed(page, "a*b + + c")
    assert page.inner_text("#wrong").startswith("Character 7: a name, a number or a parenthesis")
    assert page.get_attribute("#text", "aria-invalid") == "true"
    assert seen(page, "d")[0] == "?"
    typed(page, "a*b + c")
    assert page.inner_text("#wrong") == "" and page.get_attribute("#text", "aria-invalid") is None
    assert seen(page, "result") == ("5.0", "1.0")


def test_everything_follows_an_input_that_is_dragged(base: str, open_page: Opener) -> None:
    page = opened(open_page, base, viewport=DESKTOP)
    typed(page, "a = 2\na*a + c")
    target = box(page, "a")
    target.scroll_into_view_if_needed()
    at = target.bounding_box()
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y)
    page.mouse.move(x + 40, y)
    page.mouse.up()
    assert page.input_value("#text") == "c = 1\na = 4\na*a + c"
    assert (seen(page, "a"), seen(page, "result")) == (("4.0", "8.0"), ("17.0", "1.0"))
    assert page.locator("#inputs input").nth(1).input_value() == "4"
    page.mouse.move(x - 40, y)
    assert seen(page, "a")[0] == "4.0", "the drag is over"


def test_the_sliders_go_by_keyboard(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    typed(page, "a = 2; 3 * a")
    page.locator("#inputs input").focus()
    page.keyboard.press("ArrowRight")
    assert page.input_value("#text") == "a = 2.1; 3 * a"
    assert seen(page, "a") == ("2.1", "3.0")


# ---------------------------------------------------------------- the walk


def test_the_walk_leads_through_seven_chapters_to_the_training_by_keyboard(
    base: str, open_page: Opener
) -> None:
    page = opened(open_page, base)
    for name, after in zip(CHAPTERS, CHAPTERS[1:], strict=False):
        assert page.locator(".chapter:visible").count() == 1
        assert page.locator(".chapters [aria-current]").get_attribute("href") == f"#{name}"
        page.locator(f"#{name} .onward a").focus()
        page.keyboard.press("Enter")
        page.locator(f"#{after}").wait_for(state="visible")
        assert page.evaluate("document.activeElement.tagName") == "H2"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#now") != ""
    assert page.get_attribute("#names .onward a", "href") == "train.html"
    page.go_back()
    page.locator("#attention").wait_for(state="visible")


def test_the_landscape_shows_the_slope_of_the_gradient(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    chapter(page, "landscape")
    assert "dloss/dw = 24.0: with a little less w, loss falls" in page.inner_text("#slope-readout")
    page.select_option("#slope-of", "b")
    assert "dloss/db = −4.0" in page.inner_text("#slope-readout")
    page.locator("#slope").scroll_into_view_if_needed()
    at = page.locator("#slope").bounding_box()
    page.mouse.click(at["x"] + at["width"] * 0.75, at["y"] + 60)
    assert "dloss/db = −4.0" not in page.inner_text("#slope-readout")


def test_adam_gets_down_further_than_the_gradient(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    chapter(page, "adam")
    page.click("#descend-one")
    assert "After 1 step" in page.inner_text("#descent-readout")
    assert "g     = dloss/dw = 24.0" in page.inner_text("#descent-terms")
    assert page.input_value("#text").startswith("w = 0.8"), "a first step is as long as the rate"
    page.click("#descend-many")
    said = page.inner_text("#descent-readout")
    plain, adam = (float(x.replace("−", "-")) for x in re.findall(r"([\d.e−]+) (?:along|with)", said))
    assert "After 51 steps" in said and adam < plain / 10 < 20.0 / 10
    page.click("#descend-again")
    assert "After 0 steps" in page.inner_text("#descent-readout")
    assert page.input_value("#text").startswith("w = 1\nb = -3\n")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_in_any_chapter_and_nothing_scrolls_sideways(
    viewport: dict[str, int], scheme: str, site: Path, open_page: Opener
) -> None:
    page = opened(open_page, site.as_uri(), viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    for name in CHAPTERS:
        chapter(page, name)
        page.click("#back" if page.is_disabled("#forward") else "#forward")
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], name
    typed(page, "a b")
    page.locator("#all summary").click()
    assert violations(page) == []


def test_the_page_is_light(site: Path) -> None:
    text = (site / "lesson.html").read_text()
    loaded = re.findall(r'(?:src|href)="(static/[\w.-]+)"', text)
    assert {"static/lesson.js", "static/style.css"} <= set(loaded)
    assert len(text) + sum((site / name).stat().st_size for name in loaded) <= MOST_BYTES
