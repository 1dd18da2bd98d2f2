"""Claims on the samples of the garden's models, and on the page that shows them."""

import json
import shutil

import pytest

from harness import paths
from harness.report.site import garden as page
from reference.app import engine as engines
from reference.app import garden
from science.garden import samples

STORED = json.loads((paths.root() / "results" / "science" / "garden.json").read_text(encoding="utf-8"))


def test_every_dataset_has_ten_samples_of_each_model() -> None:
    assert list(STORED["datasets"]) == garden.names()
    for one in STORED["datasets"].values():
        assert all(len(one[by]["samples"]) == samples.SHOWN for by in ("gpt", "ngram"))


def test_the_page_counts_what_is_stored() -> None:
    values = page.values(STORED)
    assert [plot.card.name for plot in values["plots"]] == garden.names()
    pairs = [(one["gpt"]["novelty"], one["ngram"]["novelty"]) for one in STORED["datasets"].values()]
    assert values["more_new"] == len([pair for pair in pairs if pair[0] > pair[1]])
    assert page.values(None)["how"] is None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, as the reference would take an hour")
def test_what_is_stored_comes_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.cli import training_engine

    monkeypatch.setattr(engines, "providers", lambda: [training_engine.fastest])
    with engines.chosen("auto") as engine:
        assert engine.name.startswith("port ")
        assert samples.one_set("sums", engine) == STORED["datasets"]["sums"]
