"""The verdict on a trace: how many of its quantities are there, how far each agrees, and the first that
does not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.cases.case import config_lines, line, matrix_lines
from conformance.doubles import double_of, ulps_between
from conformance.messages import Request
from harness.errors import ManifestError
from harness.judge.check import agreement, goldens, names, tracefile
from harness.judge.check.engine import Engine
from harness.judge.check.goldens import Candidates, Step
from harness.judge.check.names import KINDS, REPLY, Quantity
from harness.judge.check.setup import Setup
from harness.judge.check.tracefile import Trace, Written
from harness.judge.check.verdict import Agreement, Cause, Verdict
from harness.judge.compare import Difference
from reference import microgpt
from reference.protocol.wire import hexadecimal

MOST_STEPS = 100  # with whole tensors: a reply has its limit
Golden = dict[Quantity, list[float]]


@dataclass(frozen=True)
class Compared:
    """One quantity beside its golden values. how: bit, float64, float32, printed or wrong. index: of the
    first value
    that decides."""

    written: Written
    expected: Sequence[float]
    how: str
    index: int = 0
    different: int = 0
    transposed: bool = False


Explain = Callable[[Trace, Setup, Compared, "State"], Sequence[Cause]]


@dataclass
class State:
    """The golden steps of a run, as far as they were computed, with the run before its first step."""

    run: microgpt.Run
    steps: Sequence[Step]

    def tokens(self, step: int) -> list[int]:
        documents = self.run.documents
        return self.run.tokenizer.encode(documents[step % len(documents)])

    def parameters(self, step: int) -> goldens.Tensors:
        """Those that step `step` starts from."""
        if step == 0:
            return numbers(self.run.training.parameters)
        return self.steps[step - 1].tensors["parameters"]


def numbers(parameters: microgpt.Parameters) -> goldens.Tensors:
    return {name: [[value.data for value in row] for row in rows] for name, rows in parameters.items()}


def is_trace(data: bytes, name: str) -> bool:
    return tracefile.form(data, name) != ""


def judge(
    name: str, data: bytes, candidates: Candidates, explain: Explain, transposed: bool = False
) -> Verdict:
    """The verdict on one trace. Raises ManifestError if nothing in it can be compared."""
    trace = tracefile.read(data, name)
    readable = [setup for setup in candidates.setups if setup.dataset.lines]
    if not readable:
        raise ManifestError(
            "a trace is compared with a run of a dataset's own text: give it with --dataset FILE"
        )
    setup = _fitting(trace, readable)
    state, golden, missing = _computed(trace, setup, candidates)
    config = state.run.training.config
    compared = [
        _compare(
            written, golden[written.quantity], names.shape(written.quantity, config) or (0, 0), transposed
        )
        for written in sorted(trace.written, key=lambda one: names.order(one.quantity, config))
        if written.quantity in golden
    ]
    samples = [written for written in trace.written if written.quantity.kind == "sample"]
    if not compared and not samples:
        raise ManifestError(f"{name} has no quantity that {setup.words} has: {'; '.join(missing)}")
    bad_samples = _wrong_samples(samples, setup, candidates.engine)
    verdict = Verdict(
        *(name, "trace", "wrong", "", setup.words, _seen(trace, compared, samples, setup, config)),
        agreed=sum(one.how != "wrong" for one in compared) + len(samples) - len(bad_samples),
        compared=len(compared) + len(samples),
        notes=(*missing, *_notes(trace, compared)),
    )
    single = _looks_single(trace)
    wrong = [one for one in compared if one.how == "wrong" or (one.how == "float32" and not single)]
    if wrong:
        return _wrong(verdict, compared, wrong, single, explain(trace, setup, wrong[0], state))
    if bad_samples:
        words = f"its numbers agree, and {len(bad_samples)} samples do not: sampling is wrong"
        return replace(verdict, sentence=words, difference=bad_samples[0])
    return _right(verdict, compared, single)


def _notes(trace: Trace, compared: Sequence[Compared]) -> Iterator[str]:
    if trace.unknown:
        yield f"{len(trace.unknown)} names are no quantities and were left out, such as {trace.unknown[0]!r}"
    turned = [one.written.quantity.words for one in compared if one.transposed]
    if turned:
        yield f"{len(turned)} matrices agree when transposed, such as {turned[0]}"


def _wrong(
    verdict: Verdict,
    compared: Sequence[Compared],
    wrong: Sequence[Compared],
    single: bool,
    causes: Sequence[Cause],
) -> Verdict:
    """`wrong` are those of the compared quantities that are; `causes` explain the first of them."""
    first = wrong[0]
    before = compared.index(first)
    agreed_before = (
        f"the {before:,} quantities before it agree" if before else "it is the first that is there"
    )
    words = (
        f"wrong from {first.written.quantity.words} on: {agreed_before}, "
        f"and {len(wrong):,} of {len(compared):,} do not"
    )
    return replace(
        verdict,
        sentence=words,
        difference=_difference(first, single),
        causes=tuple(causes),
        agreed=len(compared) - len(wrong),
    )


def _right(verdict: Verdict, compared: Sequence[Compared], single: bool) -> Verdict:
    """Everything agrees: the widest of the ways in which it does."""
    hows = Counter(one.how for one in compared)
    count = f"{verdict.compared:,} quantities"
    made: Agreement = "bit"
    width = ""
    words = f"bit-exact: all {count} are the reference's"
    if hows["float32"]:
        made, width = "tolerance", "float32"
        words = f"right within float32: all {count} are within the measured bound of a float32 program"
    elif hows["float64"]:
        made, width = "tolerance", "float64"
        exact = f"{hows['bit']:,} of {count} are bit-exact"
        words = f"right within float64: {exact}, the others within the measured bound"
    elif hows["printed"]:
        made = "printed"
        words = f"right as far as it is written: all {count} agree in all digits"
    differing = next((one for one in compared if one.different), None)
    shown = _difference(differing, single) if differing is not None and made == "tolerance" else None
    return replace(verdict, agreement=made, width=width, sentence=words, difference=shown)


def _looks_single(trace: Trace) -> bool:
    """Whether every value is one that float32 has, or is written with no more digits than that."""
    return all(
        one.width == "float32"
        or one.digits < 12
        or all(agreement.single(x) == x or x != x for x in one.values)
        for one in trace.written
        if one.values
    )


def _fitting(trace: Trace, candidates: Sequence[Setup]) -> Setup:
    """The run whose first losses or initial parameters are nearest to those of the trace."""
    if len(candidates) == 1:
        return candidates[0]

    def distance(setup: Setup) -> tuple[float, float]:
        run = setup.begin()
        config = run.training.config
        misfits = sum(
            names.shape(one.quantity, config) is None
            or (bool(one.values) and math.prod(names.shape(one.quantity, config) or ()) != len(one.values))
            for one in trace.written
        )
        kept = goldens.find(setup.name, setup.dataset.sha256)
        off = 0.0
        for one in trace.written:
            if one.quantity.kind == "init" and one.quantity.name in run.training.parameters and one.values:
                off += abs(run.training.parameters[one.quantity.name][0][0].data - one.values[0])
            if (
                one.quantity.kind == "loss"
                and kept
                and one.values
                and one.quantity.step < len(kept.golden.losses)
            ):
                off += min(10.0, abs(kept.golden.losses[one.quantity.step] - one.values[0]))
        return float(misfits), off

    return min(candidates, key=distance)


def _computed(trace: Trace, setup: Setup, candidates: Candidates) -> tuple[State, Golden, list[str]]:
    """The golden values of what the trace holds, and sentences about what could not be compared."""
    run = setup.begin()
    config = run.training.config
    missing: list[str] = []
    wanted = []
    for one in trace.written:
        quantity = one.quantity
        is_late = quantity.kind != "sample" and quantity.step >= setup.steps
        if names.shape(quantity, config) is None or is_late:
            missing.append(f"{setup.words} has no {quantity.words}")
        elif quantity.kind != "sample":
            wanted.append(quantity)
    full = sorted(
        {q.step for q in wanted if q.kind in KINDS}
        | {q.step - 1 for q in wanted if q.kind == "activation" and q.step > 0}
    )
    if len(full) > MOST_STEPS:
        missing.append(
            f"tensors of {len(full)} steps are there; the first {MOST_STEPS} of these steps were compared"
        )
        full = full[:MOST_STEPS]
        wanted = [q for q in wanted if q.kind in ("init", "loss") or q.step <= full[-1]]
    count = max(
        [q.step + 1 for q in wanted if q.kind in ("loss", *KINDS)] + [step + 1 for step in full] + [0]
    )
    kept = goldens.find(setup.name, setup.dataset.sha256) if setup.is_stock else None
    if kept is not None and not full:
        steps = [Step(loss) for loss in kept.golden.losses]
    else:
        steps = goldens.train(candidates.engine(), run, count, full, candidates.progress) if count else []
    state = State(run, steps)
    golden: Golden = {}
    for quantity in wanted:
        if quantity.kind == "init":
            golden[quantity] = [x for row in state.parameters(0)[quantity.name] for x in row]
        elif quantity.kind == "loss":
            golden[quantity] = [steps[quantity.step].loss]
        elif quantity.kind in KINDS:
            golden[quantity] = [
                x for row in steps[quantity.step].tensors[REPLY[quantity.kind]][quantity.name] for x in row
            ]
    for step in sorted({q.step for q in wanted if q.kind == "activation"}):
        activations = forward(state, step, candidates.engine())
        for quantity in (q for q in wanted if q.kind == "activation" and q.step == step):
            values = activations.get(f"pos{quantity.number}.{quantity.name}")
            if values is None:
                missing.append(f"the document of step {step} is shorter: it has no {quantity.words}")
            else:
                golden[quantity] = values
    return state, golden, missing


def forward(state: State, step: int, engine: Engine) -> dict[str, list[float]]:
    """All activations of a step, by the names of a reply to `forward`."""
    lines = (
        *config_lines(state.run.training.config),
        line("tokens", *state.tokens(step)),
        *matrix_lines(state.parameters(step)),
    )
    found: dict[str, list[float]] = {}
    name = ""
    for text in engine.ask(Request("forward", "check", lines)).lines:
        key, _, rest = text.partition(" ")
        if key == "tensor":
            name = rest.partition(" ")[0]
            found[name] = []
        elif key == "row":
            found[name] += map(double_of, rest.split(" "))
    return found


def _compare(
    written: Written, expected: Sequence[float], shape: tuple[int, int], transposed: bool
) -> Compared:
    """Raises ManifestError if there are more or fewer values than the quantity has."""
    if len(written.values) != len(expected):
        raise ManifestError(
            f"{written.quantity.words} has {len(written.values):,} values, and "
            f"{f'{shape[0]} x {shape[1]} = ' if shape[0] > 1 else ''}{len(expected):,} were expected"
        )
    rows, columns = shape
    turned = (
        replace(written, values=_transposed(written.values, rows, columns))
        if min(rows, columns) > 1
        else None
    )
    if transposed and turned is not None:
        return compare_values(turned, expected)
    found = compare_values(written, expected)
    if found.how == "wrong" and turned is not None:
        other = compare_values(turned, expected)
        if other.how != "wrong":
            return replace(other, transposed=True)
    return found


def _transposed(values: Sequence[float], rows: int, columns: int) -> tuple[float, ...]:
    """Values that stand column by column, row by row."""
    return tuple(values[j * rows + i] for i in range(rows) for j in range(columns))


def compare_values(written: Written, expected: Sequence[float]) -> Compared:
    scale = max((abs(x) for x in expected if math.isfinite(x)), default=0.0)
    quantity, values = written.quantity, written.values
    pairs = list(enumerate(zip(expected, values, strict=True)))
    different = [i for i, (e, g) in pairs if hexadecimal(e) != hexadecimal(g)]
    if not different:
        return Compared(written, expected, "bit")
    if written.digits < 17:
        off = [i for i, (e, g) in pairs if not _is_printed(e, g, written.digits)]
        if not off:
            return Compared(written, expected, "printed", different[0], len(different))
    for width in ("float64", "float32"):
        limit = agreement.bound(width, quantity.kind, quantity.step, scale)
        off = [i for i, (e, g) in pairs if not (abs(e - g) <= limit or hexadecimal(e) == hexadecimal(g))]
        if not off:
            return Compared(written, expected, width, different[0], len(different))
        if width == "float64":
            beyond = off
    return Compared(written, expected, "wrong", off[0] if off else beyond[0], len(different))


def _is_printed(expected: float, got: float, digits: int) -> bool:
    if not math.isfinite(expected) or not math.isfinite(got):
        return str(expected) == str(got)
    if expected == got:
        return True
    unit = 10.0 ** (math.floor(math.log10(max(abs(expected), 5e-324))) + 1 - digits)
    return abs(expected - got) <= agreement.HALF * unit


def _difference(one: Compared, single: bool) -> Difference:
    expected, got = one.expected[one.index], one.written.values[one.index]
    words = hexadecimal(expected), hexadecimal(got)
    width = "float32" if single else "float64"
    scale = max((abs(x) for x in one.expected if math.isfinite(x)), default=0.0)
    limit = agreement.bound(width, one.written.quantity.kind, one.written.quantity.step, scale)
    return Difference(
        "value",
        f"{one.written.quantity.words}[{one.index}]",
        f"{words[0]}  {expected!r}",
        f"{words[1]}  {got!r}",
        ulps_between(*words),
        bound=f"off by {abs(expected - got):.3g}; a {width} program may be by {limit:.3g}",
    )


def _wrong_samples(
    samples: Sequence[Written], setup: Setup, engine: Callable[[], Engine]
) -> list[Difference]:
    if not samples:
        return []
    golden = goldens.golden(setup, engine())
    texts: Mapping[int, str] = dict(enumerate(golden.samples or (), start=1))
    return [
        Difference(
            "text", one.quantity.words, repr(texts.get(one.quantity.number, "no such sample")), repr(one.text)
        )
        for one in samples
        if texts.get(one.quantity.number) != one.text
    ]


def _seen(
    trace: Trace,
    compared: Sequence[Compared],
    samples: Sequence[Written],
    setup: Setup,
    config: microgpt.Config,
) -> str:
    """What was there and what was not: 'loss of 1,000 steps, 4 of 9 gradients of step 0; not seen: m, v'."""
    matrices = len(config.matrices())
    parts = []
    kinds = Counter(one.written.quantity.kind for one in compared)
    if kinds["init"]:
        parts.append(f"{kinds['init']} of {matrices} initial matrices")
    if kinds["loss"]:
        parts.append(f"loss of {kinds['loss']:,} steps" if kinds["loss"] > 1 else "loss of 1 step")
    if kinds["activation"]:
        parts.append(f"{kinds['activation']} activations")
    words = {"grad": "gradients", "m": "m", "v": "v", "parameters": "parameters"}
    for kind, word in words.items():
        steps = sorted({one.written.quantity.step for one in compared if one.written.quantity.kind == kind})
        if len(steps) == 1:
            parts.append(f"{kinds[kind]} of {matrices} {word} of step {steps[0]}")
        elif steps:
            parts.append(f"{kinds[kind]} of {matrices * len(steps)} {word} of {len(steps)} steps")
    if samples:
        parts.append(f"{len(samples)} of {setup.preset.samples} samples")
    unseen = [
        word
        for kind, word in {"init": "initial parameters", "loss": "losses", **words}.items()
        if not kinds[kind]
    ]
    return f"seen: {', '.join(parts)}; not seen: {', '.join(unseen) or 'nothing'}"
