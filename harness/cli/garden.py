"""The command `conform garden`: samples of a model of each dataset beside those of a 6-gram."""

from __future__ import annotations

import json
import sys

import click

from harness import paths
from harness.cli.shared import ERR, OUT
from harness.files import write_whole
from reference.app.refusal import Refusal
from science.garden import samples

STORED = "science/garden.json"


@click.command()
@click.option("--check", is_flag=True, help="Compute it again and compare; change nothing.")
def garden(check: bool) -> None:
    """Train a GPT and a 6-gram on each dataset of the garden, and keep ten samples of each.

    The figures go to results/science/garden.json, from which the site's page is made. They are the same on
    every machine. With a compiler for one of the fast ports it takes minutes, and days without.
    """
    path = paths.results_dir() / STORED
    try:
        found = samples.all_sets(lambda name, engine: ERR.print(f"{name}, computed by {engine}"))
    except Refusal as problem:
        raise click.ClickException(str(problem)) from None
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if not check:
        write_whole(path, text)
        OUT.print(f"written: {paths.shown(path)}")
        return
    same = path.is_file() and path.read_text(encoding="utf-8") == text
    OUT.print(f"{paths.shown(path)} is {'what comes out again' if same else 'not what came out now'}")
    sys.exit(0 if same else 1)
