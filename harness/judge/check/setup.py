"""Which run an output is compared with: preset, dataset, seed, and numbers of the preset that are other
ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.errors import ManifestError
from reference import microgpt
from reference.app.dataset import Dataset

SEED = 42
OVERRIDES = {
    "layers": "config",
    "heads": "config",
    "embedding": "config",
    "block": "config",
    "activation": "config",
    "learning_rate": "optimizer",
    "beta1": "optimizer",
    "beta2": "optimizer",
    "epsilon": "optimizer",
    "schedule": "optimizer",
    "steps": "optimizer",
    "sigma": "preset",
    "output_sigma": "preset",
    "temperature": "preset",
    "samples": "preset",
}
"""Every number of a preset that can be another one, and where it stands."""


@dataclass(frozen=True)
class Setup:
    """A run in full: `preset` with its name, the dataset, the seed."""

    name: str
    preset: microgpt.Preset
    dataset: Dataset
    seed: int = SEED

    @property
    def steps(self) -> int:
        return self.preset.optimizer.steps

    @property
    def is_stock(self) -> bool:
        """Whether the preset is as it comes and the seed the usual one."""
        return self.preset == microgpt.PRESETS[self.name] and self.seed == SEED

    def begin(self) -> microgpt.Run:
        """The run before its first step. Raises ManifestError if the dataset's text is not at hand."""
        if not self.dataset.lines:
            raise ManifestError(
                f"this needs the text of {self.dataset.name}, of which the project knows the results only",
                hint="give the list of names with --dataset FILE",
            )
        microgpt.use_math("exact")
        return microgpt.Run(self.preset, self.dataset.lines, self.seed)

    @property
    def words(self) -> str:
        """For people: 'classic on names.txt, seed 42'."""
        changed = "" if self.preset == microgpt.PRESETS[self.name] else " with other numbers"
        return f"{self.name}{changed} on {self.dataset.name}, seed {self.seed}"


def override(name: str, changes: dict[str, Any]) -> microgpt.Preset:
    """The preset `name` with other numbers: keys are those of OVERRIDES, None changes nothing.

    Raises ManifestError for numbers that make no model.
    """
    preset = microgpt.PRESETS[name]
    chosen = {key: value for key, value in changes.items() if value is not None}
    parts: dict[str, dict[str, Any]] = {"config": {}, "optimizer": {}, "preset": {}}
    for key, value in chosen.items():
        parts[OVERRIDES[key]][key] = value
    if "block" in parts["config"]:
        parts["config"]["attention"] = microgpt.causal(parts["config"]["block"])
    config = replace(preset.config, **parts["config"])
    if config.embedding % config.heads:
        raise ManifestError(f"--embedding {config.embedding} is not a multiple of --heads {config.heads}")
    if "sigma" in chosen and "output_sigma" not in chosen and preset.output_sigma == preset.sigma:
        parts["preset"]["output_sigma"] = chosen["sigma"]
    return replace(
        preset, config=config, optimizer=replace(preset.optimizer, **parts["optimizer"]), **parts["preset"]
    )
