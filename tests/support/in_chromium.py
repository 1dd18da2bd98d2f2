"""Fixtures that open a page of the tests' site in headless Chromium, from a file and from a web server."""

import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 800}
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        said = "left out, since it needs Chromium; on Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(f"{said} (CI is set, and CI leaves nothing out)", pytrace=False)
        pytest.skip(said)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield launched
        launched.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests look at the browser's side."""


@pytest.fixture(scope="module")
def server(site: Path) -> Iterator[str]:
    """The site below a path of a web server."""
    handler = functools.partial(Quiet, directory=str(site.parent.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/{site.parent.name.replace(' ', '%20')}/{site.name}"
        running.shutdown()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address. At the end: nothing on the console, no error, no request to anywhere else."""
    contexts: list[Any] = []
    trouble: list[str] = []

    def opened(base: str, name: str, **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"{name}: {message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"{name}: {error}"))

        def note(request: Any) -> None:
            if not request.url.startswith((base, "blob:")):
                trouble.append(f"{name} asks for {request.url}")

        page.on("request", note)
        page.on("requestfailed", lambda request: trouble.append(f"{name}: {request.url} failed"))
        page.goto(f"{base}/{name}.html")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert trouble == []


@pytest.fixture(params=["file", "http"])
def base(request: pytest.FixtureRequest, site: Path, server: str) -> str:
    return site.as_uri() if request.param == "file" else server


def violations(page: Any) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    # Without its preloading: that asks for the style sheet once more, which the pages' policy forbids.
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
