"""Claims on training with the visitor's own text, and on the model that can be downloaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from in_chromium import PHONE, violations
from training_page import PATIENCE, Opener, at, opened, scrub

from reference.app import commands

pytestmark = pytest.mark.browser
TEXT = "ada\r\ngrace \n\n Ὑπατία\n\u007f\U0001f600 tab\tin\nevelyn boyd granville of washington\n"


def train_on(page: Any, path: Path, steps: int) -> None:
    page.fill("input[name=steps]", str(steps))
    page.set_input_files("#own-file", path)
    page.locator("#own-said", has_text=f"Training on {path.name}").wait_for()
    page.locator(f"#scrub[max='{steps}']").wait_for()


def downloaded(page: Any, path: Path) -> Path:
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(path)
    return path


def test_the_model_is_that_of_the_command_line_byte_for_byte(
    site: Path, open_page: Opener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "women.txt"
    text.write_bytes(TEXT.encode())
    page = opened(open_page, site.as_uri())
    train_on(page, text, 10)
    models = {}
    for step in (0, 8, 10):
        scrub(page, step)
        models[step] = downloaded(page, tmp_path / f"{step}.json")
    whole = tmp_path / "whole.json"
    data = ["train", "--dataset", str(text)]
    assert commands.main([*data, "--preset", "classic", "--steps", "10", "--save", str(whole)]) == 0
    assert models[10].read_bytes() == whole.read_bytes()
    assert commands.main([*data, "--save", str(models[8]), "--resume"]) == 0
    assert models[8].read_bytes() == whole.read_bytes()
    capsys.readouterr()
    assert commands.main(["generate", "--model", str(models[0]), "--count", "3"]) == 0
    assert len(capsys.readouterr().out.split("\n")) == 4


def test_pasted_text_is_trained_on_and_the_names_come_back(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    page.fill("#own-text", "do re mi\nfa sol la\nti do\n")
    page.fill("input[name=steps]", "40")
    page.locator("#own button[type=submit]").press("Enter")
    page.locator("#scrub[max='40']").wait_for()
    assert scrub(page, 40) == "step 40: 3,744 numbers, and no golden for this one"
    assert page.inner_text("#names > li:first-child button") == "step 0"
    assert "no golden for this one" in page.inner_text("#checked")
    assert page.inner_text("#terms").endswith("The same 64 bits as the engine’s.")
    page.select_option("#beside select", "")
    page.click("#beside-go")
    said = page.locator("#beside-verdict", has_text="40 of 40 steps: the same bits to the end")
    said.wait_for(timeout=PATIENCE)
    page.click("#own-back")
    page.locator("#scrub[max='1000']").wait_for()
    assert scrub(page, 1) == "step 1: 4,192 of 4,192 right"


def test_dropped_text_is_trained_on(site: Path, open_page: Opener) -> None:
    page = opened(open_page, site.as_uri())
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(['ab\\nba\\n'], 'drop.txt'));
          const drop = new DragEvent('drop', { dataTransfer: data, cancelable: true });
          document.getElementById('own').dispatchEvent(drop);
        }"""
    )
    page.locator("#own-said", has_text="Training on drop.txt").wait_for()
    page.locator("#count", has_text=re.compile("^3,424$")).wait_for()


def test_texts_beyond_the_limits_are_refused_in_a_sentence(
    site: Path, open_page: Opener, tmp_path: Path
) -> None:
    page = opened(open_page, site.as_uri())
    path = tmp_path / "text.txt"
    refused = {
        "".join(
            map(chr, range(0x4E00, 0x4E00 + 2048))
        ).encode(): "1 to 2047 distinct characters and not 2048",
        b" \n\t\n": "There is no document: every line is empty",
        b"caf\xe9": "text.txt is not UTF-8",
        b"a" * 4_000_001: "4,000,001 bytes, and 4,000,000 are the most",
    }
    for content, reason in refused.items():
        path.write_bytes(content)
        page.set_input_files("#own-file", [])
        page.set_input_files("#own-file", path)
        page.locator("#own-said[data-state=bad]", has_text=reason).wait_for()
    assert scrub(page, 2) == "step 2: 4,192 of 4,192 right", "the run before goes on"
    path.write_bytes("".join(map(chr, range(0x4E00, 0x4E00 + 2047))).encode())
    train_on(page, path, 2)
    assert at(page, 0) == "step 0: 68,864 random numbers"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_own_text(scheme: str, site: Path, open_page: Opener, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("\n".join(chr(0x4E00 + i) * 3 for i in range(300)), encoding="utf-8")
    page = opened(open_page, site.as_uri(), viewport=PHONE, color_scheme=scheme)
    train_on(page, path, 20)
    scrub(page, 20)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
