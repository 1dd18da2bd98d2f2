"""Claims on the page that trains without WebAssembly: the JavaScript port takes the engine's place."""

import json
import shutil
from pathlib import Path

import pytest
from in_chromium import violations
from training_page import Opener, at, opened, scrub

pytestmark = pytest.mark.browser
WORKER = "function trainWorker() {\n"
SHOWN = ("#sum-parameters", "#sum-gradients", "#sum-m", "#sum-v", "#parameter", "#weight", "#product-terms")
STEP = 60  # beyond two snapshots and one set of samples


@pytest.fixture
def without(site: Path, tmp_path: Path) -> Path:
    """The site in a browser whose workers know no WebAssembly."""
    shutil.copytree(site, tmp_path / "site")
    script = next(path for path in tmp_path.glob("site/**/*.js") if WORKER in path.read_text())
    text = script.read_text()
    assert text.count(WORKER) == 1
    script.write_text(text.replace(WORKER, f"{WORKER}delete self.WebAssembly;\n"))
    return tmp_path / "site"


def test_every_number_is_the_engines_own(site: Path, without: Path, open_page: Opener) -> None:
    seen = []
    for folder in (site, without):
        page = opened(open_page, folder.as_uri())
        assert scrub(page, STEP) == f"step {STEP}: 4,192 of 4,192 right"
        assert page.text_content("#checked") == f"all {STEP} steps checked, bit by bit"
        shown = [page.inner_text(place) for place in SHOWN]
        names = page.locator("#names li ol").all_inner_texts()
        scrub(page, 7)
        assert scrub(page, STEP).endswith("right"), "back and forth"
        assert [page.inner_text(place) for place in SHOWN] == shown
        page.locator("#graph-of[data-state=ok]").wait_for()
        seen.append((page.is_visible("#by"), shown, names))
        assert not violations(page)
    assert [is_said for is_said, *_ in seen] == [False, True]
    assert seen[0][1:] == seen[1][1:]


def test_its_model_is_the_engines_own(site: Path, without: Path, tmp_path: Path, open_page: Opener) -> None:
    models = []
    for folder in (site, without):
        page = opened(open_page, folder.as_uri())
        scrub(page, 3)
        with page.expect_download() as download:
            page.click("#download")
        models.append(json.loads(Path(download.value.path()).read_text()))
    assert models[0] == models[1]


def test_what_needs_two_engines_says_so(without: Path, open_page: Opener) -> None:
    page = opened(open_page, without.as_uri())
    at(page, 0)
    page.click("#witness")
    said = page.locator("#beside-verdict", has_text="needs WebAssembly")
    said.wait_for()
