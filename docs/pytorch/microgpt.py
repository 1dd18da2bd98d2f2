"""microgpt in PyTorch, begun where the reference begins, and traced for `conform check`.

    conform start --preset classic --out start.json
    python microgpt.py start.json --dtype float32 --trace trace.jsonl > my.log
    conform check my.log trace.jsonl --preset classic

Without a generator like Python's: documents, initial parameters and the numbers for sampling come from the
file.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import torch
from torch.nn import functional


class Model:
    """The weights by name, and the logits of a document at all of its positions at once."""

    def __init__(self, start: dict[str, Any], dtype: torch.dtype) -> None:
        self.heads, self.layers, self.block = start["heads"], start["layers"], start["block"]
        self.is_squared = start["activation"] == "squared_relu"
        self.weights = {
            name: torch.tensor(rows, dtype=dtype, requires_grad=True) for name, rows in start["init"].items()
        }

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """For tokens of shape [T], T <= block: shape [T, vocabulary]."""
        w = self.weights
        x = norm(w["wte"][tokens] + w["wpe"][: len(tokens)])
        for i in range(self.layers):
            x = x + self.attention(norm(x), f"layer{i}.attn_w") @ w[f"layer{i}.attn_wo"].T
            hidden = functional.relu(norm(x) @ w[f"layer{i}.mlp_fc1"].T)
            x = x + (hidden.square() if self.is_squared else hidden) @ w[f"layer{i}.mlp_fc2"].T
        return x @ w["lm_head"].T

    def attention(self, x: torch.Tensor, prefix: str) -> torch.Tensor:
        q, k, v = (
            (x @ self.weights[prefix + name].T).view(len(x), self.heads, -1).transpose(0, 1) for name in "qkv"
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return mixed.transpose(0, 1).reshape(len(x), -1)

    def sample(self, bos: int, temperature: float, uniforms: Iterator[float]) -> list[int]:
        """Tokens up to BOS or the end of the block; each takes one of the uniforms."""
        tokens = [bos]
        while len(tokens) <= self.block:
            with torch.no_grad():
                logits = self.logits(torch.tensor(tokens))[-1]
            sums = torch.softmax(logits / temperature, -1).cumsum(-1)
            drawn = int(torch.searchsorted(sums, sums[-1] * next(uniforms), right=True))
            if drawn == bos:
                break
            tokens.append(drawn)
        return tokens[1:]


def norm(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)


def rate(start: dict[str, Any], step: int) -> float:
    """The learning rate of a step, from 0."""
    share = step / start["steps"]
    if start["schedule"] == "cosine":
        return float(start["learning_rate"] * 0.5 * (1 + math.cos(math.pi * share)))
    return float(start["learning_rate"] * (1 - share))


def run(start: dict[str, Any], dtype: torch.dtype, trace: Trace, stop: int | None = None) -> None:
    model = Model(start, dtype)
    weights = model.weights
    betas = (start["beta1"], start["beta2"])
    adam = torch.optim.Adam(weights.values(), betas=betas, eps=start["epsilon"], foreach=True)
    for name, values in weights.items():
        trace.add(f"init.{name}", values)
    for step in range(start["steps"])[:stop]:
        tokens = torch.tensor(start["tokens"][step % len(start["tokens"])])
        count = min(model.block, len(tokens) - 1)
        loss = functional.cross_entropy(model.logits(tokens[:count]), tokens[1 : count + 1])
        adam.zero_grad()
        loss.backward()
        adam.param_groups[0]["lr"] = rate(start, step)
        adam.step()
        print(f"step {step + 1:4d} / {start['steps']:4d} | loss {loss.item():.4f}")
        trace.add(f"step{step}.loss", loss)
        if step in (0, 9, start["steps"] - 1):
            for name, values in weights.items():
                trace.add(f"step{step}.grad.{name}", values.grad)
                trace.add(f"step{step}.m.{name}", adam.state[values]["exp_avg"])
                trace.add(f"step{step}.v.{name}", adam.state[values]["exp_avg_sq"])
                trace.add(f"step{step}.parameters.{name}", values)
    if stop is not None:
        return
    print("\n--- inference (new, hallucinated names) ---")
    uniforms, letters = iter(start["uniforms"]), start["vocabulary"]
    for number in range(1, start["samples"] + 1):
        drawn = model.sample(len(letters), start["temperature"], uniforms)
        print(f"sample {number:2d}: {''.join(letters[token] for token in drawn)}")


class Trace:
    """The ten lines of docs/CHECK.md: JSON Lines of name and values; nothing if there is no file."""

    def __init__(self, file: TextIO | None) -> None:
        self.file = file

    def add(self, name: str, values: torch.Tensor | None) -> None:
        if self.file is not None and values is not None:
            print(json.dumps({"name": name, "values": values.detach().tolist()}), file=self.file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("start", type=Path, help="what conform start --out start.json wrote")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    parser.add_argument("--trace", type=argparse.FileType("w"))
    parser.add_argument("--stop", type=int, metavar="STEPS", help="end after so many steps, without samples")
    given = parser.parse_args()
    start = json.loads(given.start.read_text(encoding="utf-8"))
    run(start, getattr(torch, given.dtype), Trace(given.trace), given.stop)


if __name__ == "__main__":
    main()
