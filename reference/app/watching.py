"""What is drawn in a terminal: training as it goes, the probabilities of a draw, parameters as heat maps."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

from reference.app.engine import Engine
from reference.app.modelfile import Model

SPARKS = "▁▂▃▄▅▆▇█"
SHADES = " ░▒▓█"
WIDTH = 60  # characters of a loss curve
BAR = 24  # characters of a bar
LIKELIEST = 8  # characters that a draw shows
SAMPLE_SECONDS = 2.0
SAMPLES_SHOWN = 8
LOSS_OVER = 100  # steps of which the mean loss is shown
LINES, APART = 10, 10  # of a training that nobody watches: how many, and at least so many steps apart
MAP_ROWS, MAP_COLUMNS = 6, 32

Show = Callable[[float], None]


def curve(losses: Sequence[float], width: int = WIDTH) -> str:
    """A bar for each of up to `width` equal parts of the losses: where its mean is between the extremes."""
    if not losses:
        return ""
    parts = min(width, len(losses))
    cuts = [i * len(losses) // parts for i in range(parts + 1)]
    means = [sum(losses[a:b]) / (b - a) for a, b in zip(cuts, cuts[1:], strict=False)]
    low, high = min(means), max(means)
    return "".join(
        SPARKS[int((mean - low) / ((high - low) or 1.0) * (len(SPARKS) - 1) + 0.5)] for mean in means
    )


def bars(probabilities: Sequence[float], token: int, characters: Sequence[str]) -> Iterator[str]:
    """The likeliest tokens of one draw, a line each; the drawn one is marked and always there."""
    ranked = sorted(range(len(probabilities)), key=lambda i: (-probabilities[i], i))
    shown = ranked[:LIKELIEST]
    for i in shown if token in shown else [*shown[:-1], token]:
        name = "end" if i == len(characters) else characters[i]
        full = "█" * round(probabilities[i] * BAR)
        yield f"  {'>' if i == token else ' '} {name:<3} {full:<{BAR}} {100.0 * probabilities[i]:5.1f} %"


def heat_map(matrix: Sequence[Sequence[float]]) -> Iterator[str]:
    """The mean sizes of the numbers in up to 6 times 32 cells, the darkest the greatest."""
    rows, columns = min(MAP_ROWS, len(matrix)), min(MAP_COLUMNS, len(matrix[0]))
    cells: list[list[float]] = []
    for i in range(rows):
        band = matrix[i * len(matrix) // rows : (i + 1) * len(matrix) // rows]
        cells.append([])
        for j in range(columns):
            left, right = j * len(band[0]) // columns, (j + 1) * len(band[0]) // columns
            sizes = [abs(x) for row in band for x in row[left:right]]
            cells[-1].append(sum(sizes) / len(sizes))
    greatest = max(map(max, cells)) or 1.0
    for row in cells:
        yield "".join(SHADES[min(len(SHADES) - 1, int(len(SHADES) * cell / greatest))] for cell in row)


def heat_maps(model: Model) -> Iterator[str]:
    """Every matrix under its name, shape and greatest size."""
    for name, matrix in model.training.parameters.items():
        numbers = [[value.data for value in row] for row in matrix]
        greatest = max(abs(x) for row in numbers for x in row)
        yield f"{name}  {len(numbers)} x {len(numbers[0])}, at most {greatest:.3g}"
        yield from (f"  {line}" for line in heat_map(numbers))


def display(model: Model, engine: Engine) -> AbstractContextManager[Show]:
    """A function to call with the loss after each step. A terminal shows it live, other places get lines."""
    if sys.stderr is None or not sys.stderr.isatty():
        return plain(model)
    try:
        return live(model, engine)
    except ImportError:
        print("microgpt: training without a live display ('pip install rich' brings it)", file=sys.stderr)
        return plain(model)


@contextmanager
def plain(model: Model) -> Iterator[Show]:
    """Up to ten lines for a whole training, on standard error."""
    began, every = time.monotonic(), max(APART, model.steps // LINES)
    step, seen = model.training.step, 0
    recent: deque[float] = deque(maxlen=every)

    def show(loss: float) -> None:
        nonlocal step, seen
        step, seen = step + 1, seen + 1
        recent.append(loss)
        if step % every == 0:
            mean, rate = sum(recent) / len(recent), seen / max(time.monotonic() - began, 1e-9)
            said = f"step {step} of {model.steps}, loss {mean:.4f} (mean of {len(recent)})"
            print(f"microgpt: {said}, {rate:,.0f} steps a second", file=sys.stderr, flush=True)

    yield show


def live(model: Model, engine: Engine) -> AbstractContextManager[Show]:
    """Curve, rate and samples, as they change. Raises ImportError without rich."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    began, first = time.monotonic(), model.training.step
    losses: list[float] = []
    samples: deque[str] = deque(maxlen=SAMPLES_SHOWN)
    sampled = began

    def view() -> Group:
        step = first + len(losses)
        rate = len(losses) / max(time.monotonic() - began, 1e-9)
        last = losses[-LOSS_OVER:]
        loss = f"loss {sum(last) / len(last):.4f}" if last else "loss -"
        left = f"{timedelta(seconds=round((model.steps - step) / rate))} left" if rate else ""
        head = f"step {step}/{model.steps}  {loss}  {rate:,.0f} steps/s  {left}  {engine.name}"
        return Group(Text(head), Text(curve(losses)), *(Text(f"  {sample}") for sample in samples))

    def show(loss: float) -> None:
        nonlocal sampled
        losses.append(loss)
        if time.monotonic() - sampled > SAMPLE_SECONDS:
            for tokens in engine.sample(model.training, 0.5, 1, seed=model.training.step):
                samples.append(f"{model.training.step:>5}  {model.tokenizer.decode(tokens)}")
            sampled = time.monotonic()

    @contextmanager
    def shown() -> Iterator[Show]:
        with Live(console=Console(stderr=True), get_renderable=view, refresh_per_second=8) as drawn:
            yield show
            drawn.refresh()

    return shown()
