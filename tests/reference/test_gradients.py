"""The reference's gradients against others that share no code with it: mpmath's at 60 digits, PyTorch's.

mpmath: the loss is written a second time, here, for numbers of 60 digits, and its slope along every parameter
is taken from central differences, whose own error is far below a double's. PyTorch: the loss is written a
third time, with tensors, and goes through its float64 autograd; that needs `pip install -e '.[torch]'`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from mpmath import mp, mpf

from reference import microgpt
from reference.microgpt import Config, Generator, causal

SPARSE = ((0,), (0, 1), (0, 2), (1, 3), (0, 2, 4))


@dataclass(frozen=True)
class Case:
    config: Config
    tokens: Sequence[int]
    every: int = 1  # mpmath looks at every so many-th parameter


CASES = {
    "one layer": Case(Config(1, 2, 4, 3, 4, "relu", causal(3)), [3, 0, 2, 3]),
    "squared relu": Case(Config(1, 2, 4, 3, 4, "squared_relu", causal(3)), [3, 0, 2, 3]),
    "odd embedding": Case(Config(1, 1, 5, 4, 3, "relu", causal(4)), [2, 1, 1, 0, 1, 1, 2], 3),
    "three heads": Case(Config(1, 3, 9, 3, 5, "squared_relu", causal(3)), [4, 1, 1, 4], 17),
    "two layers": Case(Config(2, 2, 6, 4, 4, "relu", causal(4)), [3, 2, 0, 2, 3], 19),
    "three layers": Case(Config(3, 2, 4, 4, 4, "squared_relu", causal(4)), [3, 2, 0, 3], 11),
    "sparse attention": Case(Config(2, 2, 4, 5, 4, "relu", SPARSE), [3, 0, 1, 2, 1, 0, 3], 11),
    "one token": Case(Config(1, 2, 4, 3, 2, "relu", causal(3)), [1, 0, 1], 3),
    "no token": Case(Config(1, 2, 4, 3, 2, "relu", causal(3)), [1, 1], 3),
}


def parameters_of(case: Case) -> microgpt.Parameters:
    """Of size 1, so that nothing is nearly zero or nearly linear."""
    generator = Generator(7)
    return {
        name: [[microgpt.Value(generator.gauss(0.0, 0.7)) for _ in range(columns)] for _ in range(rows)]
        for name, rows, columns in case.config.matrices()
    }


def reference_gradients(
    case: Case, parameters: microgpt.Parameters
) -> tuple[float, dict[str, list[list[float]]]]:
    loss = microgpt.document_loss(case.config, parameters, case.tokens)
    loss.backward()
    gradients = {name: [[v.grad for v in row] for row in matrix] for name, matrix in parameters.items()}
    return loss.data, gradients


# ---------------------------------------------------------------- mpmath

Vector = list[Any]


def mp_loss(case: Case, w: dict[str, list[Vector]]) -> Any:
    """The loss at 60 digits. Softmax has no shift here, since that changes nothing in exact arithmetic."""
    c = case.config
    size = c.embedding // c.heads

    def times(matrix: list[Vector], x: Vector) -> Vector:
        return [mp.fdot(row, x) for row in matrix]

    def norm(x: Vector) -> Vector:
        root = mp.sqrt(mp.fdot(x, x) / len(x) + mpf(1e-5))
        return [xi / root for xi in x]

    def softmax(x: Vector) -> Vector:
        exps = [mp.exp(xi) for xi in x]
        return [e / sum(exps) for e in exps]

    cache: list[list[tuple[Vector, Vector]]] = [[] for _ in range(c.layers)]
    count = min(c.block, len(case.tokens) - 1)
    total = mpf(0)
    for t in range(count):
        x = norm([a + b for a, b in zip(w["wte"][case.tokens[t]], w["wpe"][t], strict=True)])
        for i in range(c.layers):
            query, key, value = (times(w[f"layer{i}.attn_w{name}"], norm(x)) for name in "qkv")
            cache[i].append((key, value))
            mixed: Vector = []
            for h in range(0, c.embedding, size):
                seen = [cache[i][p] for p in c.attention[t]]
                scores = [mp.fdot(query[h : h + size], k[h : h + size]) / mp.sqrt(size) for k, _ in seen]
                mixed += [mp.fdot(softmax(scores), [v[j] for _, v in seen]) for j in range(h, h + size)]
            x = [a + b for a, b in zip(x, times(w[f"layer{i}.attn_wo"], mixed), strict=True)]
            hidden = [max(a, mpf(0)) for a in times(w[f"layer{i}.mlp_fc1"], norm(x))]
            if c.activation == "squared_relu":
                hidden = [a * a for a in hidden]
            x = [a + b for a, b in zip(x, times(w[f"layer{i}.mlp_fc2"], hidden), strict=True)]
        total -= mp.log(softmax(times(w["lm_head"], x))[case.tokens[t + 1]])
    return total / count


def agrees(ours: float, truth: Any, scale: Any) -> bool:
    """To 12 digits, or to a rounding error of the greatest gradient of the matrix where terms cancel."""
    return bool(abs(mpf(ours) - truth) <= mpf("1e-12") * abs(truth) + mpf("2e-16") * scale)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_the_slopes_that_60_digits_see(name: str) -> None:
    case = CASES[name]
    parameters = parameters_of(case)
    loss, gradients = reference_gradients(case, parameters)
    with mp.workdps(60):
        exact = {n: [[mpf(v.data) for v in row] for row in m] for n, m in parameters.items()}
        assert abs(mp_loss(case, exact) - loss) <= 1e-14 * loss
        places = [
            (n, r, c)
            for n, rows, columns in case.config.matrices()
            for r in range(rows)
            for c in range(columns)
        ]
        step = mpf(10) ** -20
        for matrix, row, column in places[:: case.every]:
            at = exact[matrix][row]
            middle = at[column]
            at[column] = middle + step
            above = mp_loss(case, exact)
            at[column] = middle - step
            below = mp_loss(case, exact)
            at[column] = middle
            slope = (above - below) / (2 * step)
            scale = max(abs(g) for gs in gradients[matrix] for g in gs)
            assert agrees(gradients[matrix][row][column], slope, scale), f"{matrix}[{row}][{column}]"


# ---------------------------------------------------------------- PyTorch


def torch_loss(torch: Any, case: Case, w: dict[str, Any]) -> Any:
    """All positions at once, with a mask for attention, as one writes it with tensors."""
    c = case.config
    count = min(c.block, len(case.tokens) - 1)
    mask = torch.full((count, count), -torch.inf, dtype=torch.float64)
    for t in range(count):
        mask[t, list(c.attention[t])] = 0.0

    def norm(x: Any) -> Any:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)

    def heads(x: Any) -> Any:
        return x.view(count, c.heads, -1).transpose(0, 1)

    tokens = torch.tensor(case.tokens)
    activation: Callable[[Any], Any] = torch.relu
    x = norm(w["wte"][tokens[:count]] + w["wpe"][:count])
    for i in range(c.layers):
        q, k, v = (heads(norm(x) @ w[f"layer{i}.attn_w{name}"].T) for name in "qkv")
        scores = q @ k.transpose(1, 2) / (c.embedding // c.heads) ** 0.5 + mask
        mixed = (torch.softmax(scores, -1) @ v).transpose(0, 1).reshape(count, c.embedding)
        x = x + mixed @ w[f"layer{i}.attn_wo"].T
        hidden = activation(norm(x) @ w[f"layer{i}.mlp_fc1"].T)
        hidden = hidden.square() if c.activation == "squared_relu" else hidden
        x = x + hidden @ w[f"layer{i}.mlp_fc2"].T
    return torch.nn.functional.cross_entropy(x @ w["lm_head"].T, tokens[1 : count + 1])


LARGE = {
    "preset seed": Case(Config(1, 4, 16, 8, 27, "squared_relu", causal(8)), [26, *range(0, 24, 2), 26]),
    "preset classic": Case(Config(1, 4, 16, 16, 27, "relu", causal(16)), [26, *range(25), 26]),
    "odd and deep": Case(Config(3, 3, 15, 6, 11, "relu", causal(6)), [10, 3, 3, 0, 9, 10]),
}


@pytest.mark.parametrize("name", [*CASES, *LARGE])
def test_gradients_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install -e '.[torch]'")
    case = (CASES | LARGE)[name]
    parameters = parameters_of(case)
    loss, gradients = reference_gradients(case, parameters)
    tensors = {
        n: torch.tensor([[v.data for v in row] for row in m], dtype=torch.float64, requires_grad=True)
        for n, m in parameters.items()
    }
    theirs = torch_loss(torch, case, tensors)
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-13)
    for matrix, ours in gradients.items():
        expected = tensors[matrix].grad
        difference = (torch.tensor(ours, dtype=torch.float64) - expected).abs()
        allowed = 1e-12 * expected.abs() + 1e-15 * expected.abs().max()
        assert bool((difference <= allowed).all()), matrix
