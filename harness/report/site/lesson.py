"""What the page that teaches loads: its own small engine, which it also shows, and the examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness import paths
from harness.report.site import browser
from harness.report.site.source_view import SourceFile, highlighted

ENGINE = "value"
"""The module that is shown beside the graph: the one that runs."""
MODULES = (
    *(ENGINE, "language", "steps", "words", "layout"),
    *("graph", "code", "bench", "landscape", "adam", "page"),
)  # in the order in which they import each other
_OWN = Path(__file__).parent / "static" / "lesson"


@dataclass(frozen=True)
class Example:
    """A text for the bench, under a name and a title."""

    name: str
    title: str
    text: str


EXAMPLES = (
    Example("product", "A product and a sum", "a = 2\nb = -3\nc = 10\nd = a*b + c\n-2 * d"),
    Example("twice", "A number used twice", "a = 3\nb = a + a\na * b"),
    Example("quotient", "A difference and a quotient", "a = 3\nb = 4\n(a - b) / (a + b)"),
    Example("softplus", "exp and log", "x = 0.5\nlog(1 + exp(x))"),
    Example("gates", "Two gates", "x = 0.7\nw = -1.2\nrelu(w*x + 2) ** 2 - relu(w*x)"),
    Example(
        "micrograd",
        "The example of micrograd",
        "a = -4\nb = 2\nc = a + b\nd = a*b + b**3\nc = c + (c + 1)\nc = c + (1 + c + -a)\n"
        "d = d + (d*2 + relu(b + a))\nd = d + (3*d + relu(b - a))\ne = c - d\nf = e**2\n"
        "g = f / 2.0\ng + 10.0 / f",
    ),
)
PARTS = (
    Example(
        "neuron",
        "One neuron",
        "x1 = 2\nx2 = 0\nw1 = -3\nw2 = 1\nb = 6.8813735870195432\nn = x1*w1 + x2*w2 + b\ntanh(n)",
    ),
    Example(
        "softmax",
        "A softmax, and its loss",
        "a = 2\nb = 1\nc = 0.1\ntop = max(a, b, c)\nea = exp(a - top)\neb = exp(b - top)\nec = exp(c - top)\n"
        "total = sum(ea, eb, ec)\nloss = -log(eb / total)",
    ),
    Example(
        "attention",
        "A head of attention",
        "# a query, two keys, two values\nq1 = 1\nq2 = 0.5\nk11 = 0.8\nk12 = -0.4\nk21 = -0.3\nk22 = 1.2\n"
        "x1 = 2\nx2 = -1\ns1 = sum(q1*k11, q2*k12) / 2**0.5\ns2 = sum(q1*k21, q2*k22) / 2**0.5\n"
        "top = max(s1, s2)\ne1 = exp(s1 - top)\ne2 = exp(s2 - top)\ntotal = sum(e1, e2)\n"
        "sum(e1/total * x1, e2/total * x2)",
    ),
    Example(
        "line",
        "A line through two points",
        "w = 1\nb = -3\nerror1 = w + b - 2\nerror2 = 8*w + b - 3\nloss = error1**2 + error2**2",
    ),
)


def page_script() -> str:
    """The page's program, its modules as functions: a page from a file may load none."""
    exact = (paths.ports_dir() / browser.PORT / "exact.js").read_text(encoding="utf-8")
    own = (browser.module(f"{name}.js", _source(name)) for name in MODULES)
    return "".join(
        [
            "/* The lesson: made from static/lesson and the JavaScript port's exact.js. */\n",
            "'use strict';\n(() => {\nconst modules = {};\n",
            browser.module("exact.js", exact),
            *own,
            "})();\n",
        ]
    )


def shown() -> SourceFile:
    """The engine, line by line, as the page shows it."""
    lines: tuple[Markup, ...] = highlighted(f"{ENGINE}.js", _source(ENGINE))
    return SourceFile(f"{ENGINE}.js", lines)


def _source(name: str) -> str:
    return (_OWN / f"{name}.js").read_text(encoding="utf-8")
