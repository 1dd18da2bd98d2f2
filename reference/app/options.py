"""What can be typed after `microgpt`: commands, options, their types and the manuals that --help prints.

What the commands do stands in `commands.py`.
"""

import argparse
from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from reference import microgpt
from reference.app.refusal import Refusal

MANUAL = """\
One small GPT, written once in plain Python: it learns from a list of names and makes up new ones.

commands:
  run       train and draw samples in one go, and print what the original program prints
  train     train, and save the model; it can be interrupted and resumed
  generate  draw samples from a saved model
  info      what a model is, or what this program can do
  graph     how an expression is computed, and its gradients, step by step
  garden    datasets to train on: list, show, train, check, fetch
  export    write a model as safetensors, as GGUF or as a C header
  mcp       offer models as tools of the Model Context Protocol
  serve     offer models over HTTP, on this machine
  conform   answer requests of the protocol on standard input

examples:
  microgpt train --save names.json            train on the names that come with this program
  microgpt generate --model names.json        make up 20 names
  microgpt run classic < my-names.txt         the original program on your own names
  microgpt conform < case.request | diff - case.golden

Each command has its own manual: microgpt train --help. The exit status is 0 if all went well, 1 if the
dataset was wrong and 2 if something else was, which one sentence on standard error explains, and 130 after
Ctrl-C."""

RUN_MANUAL = """\
Train from scratch and draw 20 samples, printing the loss of each step. Nothing is saved.

The dataset is UTF-8 text, one document a line, from --dataset or standard input. At a terminal, without
either, it is the list of names that comes with this program."""

RUN_EXAMPLES = """\
examples:
  microgpt run                                at a terminal: the preset 'seed' on the names that come with it
  microgpt run classic < names.txt
  microgpt run classic --steps 100 --dataset names.txt
  microgpt run classic --math native < names.txt

With 'exact' math the bits are the same on every machine. 'native' takes exp, log, sin and cos from this
machine's library: that is what the original program does, and it is a little faster."""

TRAIN_MANUAL = """\
Train a model and save it as JSON that keeps every bit. While it trains, it is saved every few steps.

Ctrl-C finishes the running step, saves and says how to go on; a second Ctrl-C leaves at once, and the last
saved state stays. Training that was interrupted and resumed ends with the same bits as any other."""

TRAIN_EXAMPLES = """\
examples:
  microgpt train --save model.json
  microgpt train --dataset names.txt --preset classic --save model.json
  microgpt train --dataset names.txt --save model.json --resume

To resume, give the same dataset. All other options are in the saved file and can be left out."""

GENERATE_MANUAL = """\
Draw samples from a saved model, one a line.

Without --seed the stream of random numbers goes on where training left it, so that the samples are those of
'microgpt run' with the same dataset. The model file does not change: the same command, the same samples."""

GENERATE_EXAMPLES = """\
examples:
  microgpt generate --model model.json
  microgpt generate --model model.json --count 5 --temperature 0.8 --seed 7
  microgpt generate --model model.json --start mar
  microgpt generate --model model.json --json | jq -r '.samples[].text'

--json prints one object: model, temperature, seed (or null), start and samples. A sample has text, tokens,
log_probability (natural, of the whole text and its end, at this temperature) and complete (false if the model
ran out of room before it ended the text)."""

INFO_MANUAL = """\
With --model: what the model is, what it was trained on and how far, and a small heat map of each matrix.
Without: presets, math and versions."""

GRAPH_MANUAL = """\
Compute an expression and its gradients, and print each step: forward node by node, backward product by
product, in the order and with the bits of the reference.

An expression is made of names, numbers, + - * / **, parentheses, exp, log, relu, tanh, sum and max. Several
are divided by ; or lines, and the last one is the result. A name that is given a number is an input. So is a
name without a number: these begin at 1, 2, 3 and so on."""

GRAPH_EXAMPLES = """\
examples:
  microgpt graph "a*b + c"
  microgpt graph "a = 2; b = -3; c = 10; -2 * (a*b + c)" --svg graph.svg
  microgpt graph "x = 0.5; log(1 + exp(x))"
"""

GARDEN_MANUAL = """\
Curated datasets, each with its origin, its licence, a check of made-up lines, and a held-out part.

  list                 all of them
  show NAME            one card, and ten lines
  train NAME           train on all but the held-out part with the fastest engine, write a model card
  check NAME MODEL     how many samples are right, new and different, and the held-out loss
  fetch [NAME]         sets that are not carried, from pinned addresses; without NAME: which there are"""

GARDEN_EXAMPLES = """\
examples:
  microgpt garden list
  microgpt garden train hexcolors --steps 500
  microgpt garden train chords --embedding 64 --layers 2 --block 64 --save chords.json
  microgpt garden check chords chords.json

Ctrl-C keeps a checkpoint, and --resume ends with the same bits. So does every engine: a port
that is built here, or the reference."""

EXPORT_MANUAL = """\
Write a model for other programs: the ending of --to decides the format, and every bit is kept.

  .safetensors   for the libraries of Hugging Face and for numpy; doubles, under the names of the model file
  .gguf          for what reads GGUF, such as gguf-dump and the class GGUFReader of the Python package gguf;
                 it needs that package: pip install 'microgpt-conformance[gguf]'
  .h             a C99 header with one constant array a matrix

llama.cpp reads the .gguf but cannot run it: it has no architecture with learned positions, rmsnorm without
gain and a plain MLP."""

MCP_MANUAL = """\
Offer models as tools of the Model Context Protocol on standard input and output: list_models, generate,
score and train. It needs the package mcp: pip install 'microgpt-conformance[mcp]'."""

MCP_EXAMPLES = """\
An agent starts it by itself. In the form that most of them read:

  {"mcpServers": {"microgpt": {"command": "microgpt", "args": ["mcp", "--models", "/home/me/models"]}}}"""

SERVE_MANUAL = """\
Offer models over HTTP: /models, /generate, /score and /train, with a page at / and /openapi.json that
describe them. Only this machine reaches it unless --host says otherwise; then anyone who reaches the
address can use the models and train new ones.

It needs starlette and uvicorn: pip install 'microgpt-conformance[serve]'."""

CONFORM_MANUAL = """\
Answer the requests of the conformance protocol on standard input, on standard output, until the input ends.
The protocol is described in conformance/SPEC.md."""


class Parser(argparse.ArgumentParser):
    """Errors are one sentence, and options are not abbreviated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        if message.endswith("required: EXPRESSION"):
            message += "; an expression that begins with - goes after --, as in: microgpt graph -- '-a'"
        raise Refusal(f"{message.removeprefix('argument ')} (see '{self.prog} --help')")


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number."""

    def convert(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"takes a whole number from {low} to {high}, not {text!r}")

    return convert


def temperature(text: str) -> float:
    with suppress(ValueError):
        if isfinite(float(text)) and float(text) > 0.0:
            return float(text)
    raise argparse.ArgumentTypeError(f"takes a number above 0, such as 0.5, not {text!r}")


STEPS = whole(1, 4096)
SEED = whole(0, 2**32 - 1)


def make_parser() -> Parser:
    parser = Parser(prog="microgpt", description=MANUAL, usage="microgpt COMMAND [OPTIONS]")
    commands = parser.add_subparsers(
        prog="microgpt", dest="command", metavar="COMMAND", help=argparse.SUPPRESS
    )

    def command(name: str, manual: str, examples: str = "") -> Parser:
        return commands.add_parser(name, description=manual, epilog=examples)

    added = command("run", RUN_MANUAL, RUN_EXAMPLES)
    added.add_argument("preset", nargs="?", choices=microgpt.PRESETS, default="seed", help="default: seed")
    added.add_argument("--math", choices=microgpt.FUNCTIONS, default="exact", help="default: exact")
    added.add_argument("--steps", type=STEPS, metavar="N", help="default: 500 for seed, 1000 for classic")
    added.add_argument("--dataset", type=Path, metavar="FILE", help="default: standard input")

    added = command("train", TRAIN_MANUAL, TRAIN_EXAMPLES)
    added.add_argument("--save", type=Path, metavar="FILE", required=True, help="where the model is saved")
    added.add_argument("--dataset", type=Path, metavar="FILE", help="default: the names of this program")
    added.add_argument("--preset", choices=microgpt.PRESETS, help="default: seed")
    added.add_argument("--steps", type=STEPS, metavar="N", help="default: 500 for seed, 1000 for classic")
    added.add_argument("--math", choices=microgpt.FUNCTIONS, help="default: exact")
    added.add_argument("--seed", type=SEED, metavar="N", help="of the random numbers; default: 42")
    added.add_argument(
        "--checkpoint-every",
        type=whole(0, 4096),
        default=50,
        metavar="N",
        help="save after each N steps (default: 50); 0 saves only at the end and on Ctrl-C",
    )
    existing = added.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with the training in the saved file")
    existing.add_argument("--force", action="store_true", help="start again and replace the saved file")

    added = command("generate", GENERATE_MANUAL, GENERATE_EXAMPLES)
    added.add_argument("--model", type=Path, metavar="FILE", required=True, help="a model saved by 'train'")
    added.add_argument("--count", type=whole(1, 100_000), default=20, metavar="N", help="default: 20")
    added.add_argument(
        "--temperature", type=temperature, default=0.5, metavar="T", help="more is more daring; default: 0.5"
    )
    added.add_argument("--seed", type=SEED, metavar="N", help="of a new stream of random numbers")
    added.add_argument("--start", default="", metavar="TEXT", help="how each sample begins")
    added.add_argument(
        "--top-k", type=whole(1, 2048), metavar="K", help="draw from the K likeliest tokens only"
    )
    output = added.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one JSON object for other programs")
    output.add_argument("--watch", action="store_true", help="show the probabilities of each draw as bars")

    added = command("info", INFO_MANUAL)
    added.add_argument("--model", type=Path, metavar="FILE", help="a model saved by 'train'")

    added = command("graph", GRAPH_MANUAL, GRAPH_EXAMPLES)
    added.add_argument("expression", metavar="EXPRESSION")
    added.add_argument("--svg", type=Path, metavar="FILE", help="draw the graph as a picture")

    added = command("export", EXPORT_MANUAL)
    added.add_argument("--model", type=Path, metavar="FILE", required=True, help="a model saved by 'train'")
    added.add_argument("--to", type=Path, metavar="FILE", required=True, help="*.safetensors, *.gguf or *.h")

    add_garden(command("garden", GARDEN_MANUAL, GARDEN_EXAMPLES))
    add_models(command("mcp", MCP_MANUAL, MCP_EXAMPLES))
    added = command("serve", SERVE_MANUAL)
    add_models(added)
    added.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="default: 127.0.0.1")
    added.add_argument("--port", type=whole(1, 65535), default=8042, metavar="N", help="default: 8042")
    command("conform", CONFORM_MANUAL)
    return parser


def add_models(added: Parser) -> None:
    added.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        default=Path(),
        help="its models; default: the current directory",
    )
    added.add_argument(
        "--answers", type=whole(1, 64), default=2, metavar="N", help="computed at once; default: 2"
    )
    added.add_argument(
        "--seconds", type=whole(1, 3600), default=60, metavar="N", help="of one answer; default: 60"
    )
    added.add_argument(
        "--training-seconds", type=whole(1, 86400), default=900, metavar="N", help="default: 900"
    )


def add_garden(garden: Parser) -> None:
    commands = garden.add_subparsers(
        dest="garden_command", metavar="COMMAND", required=True, help=argparse.SUPPRESS
    )

    def command(name: str, manual: str) -> Parser:
        return commands.add_parser(name, description=manual)

    def engine(added: Parser) -> None:
        added.add_argument(
            "--engine",
            choices=("auto", "reference"),
            default="auto",
            help="who computes: the fastest port at hand, or the reference; the bits are the same",
        )

    added = command("list", "All datasets of the garden.")
    added.add_argument("--json", action="store_true", help="all cards as JSON")

    added = command("show", "The card of one dataset, and ten of its lines.")
    added.add_argument("name", metavar="NAME")
    added.add_argument("--json", action="store_true", help="the card as JSON")

    added = command(
        "train", "Train on a dataset without its held-out part; write FILE and a model card beside it."
    )
    added.add_argument("name", metavar="NAME")
    added.add_argument("--save", type=Path, metavar="FILE", help="default: NAME.json")
    added.add_argument("--preset", choices=microgpt.PRESETS, help="default: classic")
    added.add_argument("--steps", type=STEPS, metavar="N", help="default: 500 for seed, 1000 for classic")
    added.add_argument("--seed", type=SEED, metavar="N", help="of the random numbers; default: 42")
    for size, most in (("layers", 16), ("heads", 64), ("embedding", 512), ("block", 1024)):
        added.add_argument(f"--{size}", type=whole(1, most), metavar="N", help="default: the preset's")
    engine(added)
    added.add_argument("--checkpoint-every", type=whole(0, 4096), default=50, metavar="N", help="default: 50")
    existing = added.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with the training in the saved file")
    existing.add_argument("--force", action="store_true", help="start again and replace the saved file")

    added = command(
        "check", "How many samples of a model are right, new and different, and its held-out loss."
    )
    added.add_argument("name", metavar="NAME")
    added.add_argument("model", type=Path, metavar="MODEL")
    added.add_argument("--samples", type=whole(1, 1000), default=200, metavar="N", help="default: 200")
    added.add_argument("--json", action="store_true", help="as JSON")
    engine(added)

    added = command("fetch", "Fetch a dataset from its pinned address. Without NAME: which there are.")
    added.add_argument("name", metavar="NAME", nargs="?")
    added.add_argument(
        "--to", type=Path, default=Path(), metavar="DIR", help="default: the current directory"
    )
