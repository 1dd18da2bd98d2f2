"""What `bench --peers` and `bench --scale` measured: kept in results/mine/, published, rendered."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import files, paths
from harness.errors import ResultsError
from harness.measure.peers import Timed
from harness.measure.scale import Scale
from harness.report import store
from harness.report.escape import markdown as safe
from harness.report.tables import markdown
from harness.run.machine import processor

_RIGHT = {
    "bit": "every bit",
    "printed": "all that is printed",
    "consistent": "consistent; own random numbers",
    "tolerance": "within tolerance",
    "unknown": "cannot be told",
}


def save(name: str, found: Sequence[Timed] | Scale) -> Path:
    """Write results/mine/<name>.json: what was measured, where and when."""
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    head = {"schema": 1, "finished": finished, "processor": processor(), "system": platform.system()}
    rows = asdict(found) if isinstance(found, Scale) else {"programs": [asdict(one) for one in found]}
    return files.write_whole(store.mine() / f"{name}.json", json.dumps({**head, **rows}, indent=1) + "\n")


def read(path: Path) -> dict[str, Any]:
    """What save() wrote. Raises ResultsError."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{paths.shown(path)} does not hold what make bench writes: {error}") from None
    return content


def rendered() -> dict[Path, str]:
    """results/<name>.md for each that was published."""
    folder = paths.results_dir()
    found = {name: store.published() / f"{name}.json" for name in RENDERED}
    return {
        folder / f"{name}.md": RENDERED[name](read(path)) for name, path in found.items() if path.exists()
    }


def peers(found: dict[str, Any]) -> str:
    """The whole of results/peers.md."""
    rows = found["programs"]
    reference = next(row for row in rows if row["name"] == "the reference")["step_microseconds"]
    peer = {row["width"]: row["step_microseconds"] for row in reversed(rows) if "/" in _peer_name(row)}
    heads = ["program", "width", "method", "µs a step", "of the reference's speed"]
    heads += [f"of the fastest {width} peer's" for width in sorted(peer, reverse=True)] + ["numbers"]
    table = [
        (
            safe(row["name"]),
            row["width"],
            safe(row["method"]),
            f"{row['step_microseconds']:,.1f}",
            f"{reference / row['step_microseconds']:,.0f} ×",
            *(f"{peer[width] / row['step_microseconds']:.2g} ×" for width in sorted(peer, reverse=True)),
            _RIGHT.get(row["agreement"], "wrong"),
        )
        for row in rows
    ]
    return (
        "# Beside others\n\n"
        "Rendered by `make render` from what `make bench PEERS=1` measured. Do not edit.\n\n"
        "Whole programs, built as their authors say, on the project's own 7,347 names: the time between the "
        "lines that they print (one that prints all at once is timed from its start), one core, in turns, "
        "medians. What their numbers are worth, `conform check` "
        f"says of what they print. {_where(found)}\n\n"
        + markdown(tuple(heads), "lllrr" + "r" * len(peer) + "l", table)
    )


def _peer_name(row: dict[str, Any]) -> str:
    return "" if row["name"].startswith("ports/") else str(row["name"])


def scale(found: dict[str, Any]) -> str:
    """The whole of results/scale.md."""
    parts = [
        "# Larger models\n\n"
        "Rendered by `make render` from what `make bench SCALE=1` measured. Do not edit.\n\n"
        "The least time of a training step, on one core and a document as long as the block. Each size "
        "was also computed from the graph, by the port c: the same checksums. Operations are + - × ÷ √ of "
        "doubles; exp, log and powers are not counted, which is why many positions, with their many "
        f"exponentials, look slow. The processor's peak, {found['peak'] / 1e9:,.0f} GFlop/s, is that of a "
        f"loop of products and sums that are not fused. {_where(found)}\n"
    ]
    for port, points in found["ports"].items():
        rows = [
            (
                str(point["embedding"]),
                str(point["block"]),
                str(point["layers"]),
                f"{point['parameters']:,}",
                f"{point['seconds'] * 1e6:,.1f}",
                f"{point['operations'] / 1e6:,.2f}",
                f"{point['operations'] / point['seconds'] / 1e9:.2f}",
                f"{100 * point['operations'] / point['seconds'] / found['peak']:.0f} %",
            )
            for point in points
        ]
        heads = ("embedding", "block", "layers", "parameters", "µs a step", "MFlop", "GFlop/s", "of the peak")
        parts.append(f"## {safe(port)}\n\n{markdown(heads, 'rrrrrrrr', rows)}\n{_growth(points)}\n")
    return "\n".join(parts)


def _growth(points: Sequence[dict[str, Any]]) -> str:
    """How the time grows from the least to the greatest of each dimension, as a power of it."""
    said = []
    for key in ("embedding", "block", "layers"):
        least = points[0]
        same = [
            p for p in points if all(p[k] == least[k] for k in ("embedding", "block", "layers") if k != key)
        ]
        last = max(same, key=lambda point: int(point[key]))
        if last is not least:
            power = math.log(last["seconds"] / least["seconds"]) / math.log(last[key] / least[key])
            said.append(f"{key} {least[key]} to {last[key]}: time grows with its power {power:.2f}")
    return "; ".join(said) + "."


def _where(found: dict[str, Any]) -> str:
    return f"{safe(found['processor'])}, {str(found['finished'])[:10]}."


RENDERED = {"peers": peers, "scale": scale}
"""results/mine/<name>.json becomes results/published/<name>.json and results/<name>.md."""
