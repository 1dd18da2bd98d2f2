"""Builds the site: results in, a folder of static files out, which stands whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import jinja2

from harness import paths
from harness.errors import MachineFault, ManifestError
from harness.report import badges, speed, terminal, words
from harness.report.site import browser, checker, data, engine, lesson, pages, plots, training

MARK = '<meta name="generator" content="microgpt conformance">'
"""Every page carries it: a folder is only replaced if its index.html does."""
_HERE = Path(__file__).parent
_POLICY = (
    "default-src 'none'; script-src 'self' file: 'wasm-unsafe-eval'; style-src 'self' file:; "
    "img-src 'self' file:; worker-src blob:; base-uri 'none'; form-action 'none'"
)
"""The content security policy. For a page from a file some browsers take 'self' for nothing, hence file:.
What looks unsafe lets the pages' own scripts compile WebAssembly, and nothing else.
"""


def site(results: data.Results, repository: str | None = None) -> Iterator[tuple[str, str]]:
    """(path, text) of every file of the site, which links to the address `repository` if there is one."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["thousands"] = lambda number, digits=0: f"{number:,.{digits}f}"
    environment.globals.update(
        original=pages.ORIGINAL,
        repository=repository,
        distance=words.distance,
        look=words.of_level,
        below=speed.below,
        readable_call=terminal.readable_call,
        zip=zip,
    )
    environment.filters["scientific"] = plots.scientific
    goldens = browser.golden_scripts()
    for page in pages.all_pages(results, goldens):
        root = "../" * page.path.count("/")
        common = {"root": root, "path": page.path, "mark": MARK, "policy": _POLICY}
        yield page.path, environment.get_template(page.template).render(**common, **page.values)
    for name, found in results.records.items():
        yield f"badges/{name}.svg", badges.of_port(found).svg()
    for path in sorted((_HERE / "static").iterdir()):
        if path.is_file():
            yield f"static/{path.name}", path.read_text(encoding="utf-8")
    yield "static/worker.js", browser.worker_script()
    yield "static/engine.js", engine.script()
    yield "static/train.js", training.page_script()
    yield "static/train-worker.js", training.worker_script()
    yield f"goldens/{training.STEM}.js", training.data_script()
    yield "static/lesson.js", lesson.page_script()
    yield "static/check.js", checker.page_script()
    yield "static/check-worker.js", checker.worker_script()
    yield f"goldens/{checker.STEM}.js", checker.data_script()
    for golden in goldens:
        yield f"goldens/{golden.file}", golden.script


def build(results: Path, out: Path, example: data.Example, repository: str | None = None) -> int:
    """Write the site of `results` into `out`, in place of an earlier one, and return the number of its files.

    Raises ManifestError if `out` is something else, MachineFault if it cannot be written.
    """
    out = out.resolve()
    index = out / "index.html"
    if out.exists() and not (
        out.is_dir() and (not any(out.iterdir()) or (index.is_file() and MARK in index.read_text("utf-8")))
    ):
        raise ManifestError(
            f"{paths.shown(out)} is there already and is no site of this project, so it is left alone",
            hint="name another folder with --out, or remove this one",
        )
    files = list(site(data.read(results, example), repository))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
            made = Path(folder) / "new"
            for path, text in files:
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_text(text, encoding="utf-8", newline="\n")
            if out.exists():
                out.rename(Path(folder) / "old")
            made.rename(out)
    except OSError as error:
        raise MachineFault(f"the site cannot be written to {paths.shown(out)}: {error}") from None
    return len(files)
