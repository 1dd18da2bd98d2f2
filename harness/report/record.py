"""What a run found, as one JSON object: the only source of every report. Its form is `result.schema.json`.

`results/<port>.json` holds the newest record of a port. A record is checked against the schema when it is
written and when it is read.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from harness import files, paths
from harness.build.manifest import Manifest
from harness.build.runners import Prepared
from harness.errors import ConformError, ManifestError
from harness.explain.mutants.diagnose import Diagnosis
from harness.explain.trace import Finding
from harness.judge.climb import HARMLESS, CaseResult, LevelResult, reached
from harness.report.history import trend
from harness.run.machine import processor
from harness.run.session import Timing

SCHEMA_VERSION = 2
TRAIL_LENGTH = 600  # checkpoints; the first wrong one is among the first of nearly every reply
Record = dict[str, Any]


@cache
def schema() -> dict[str, Any]:
    text = (Path(__file__).parent / "result.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def fault_json(fault: ConformError) -> Record:
    return {"code": fault.code, "message": fault.message, "hint": fault.hint, "log": list(fault.log)}


def case_json(result: CaseResult) -> Record:
    """A case that does not agree."""
    return {
        "case": result.case.id,
        "verdict": result.verdict,
        "values": result.values,
        "different": result.different,
        "worst_ulps": result.worst_ulps,
        "difference": asdict(result.difference) if result.difference else None,
        "fault": fault_json(result.fault) if result.fault else None,
    }


def level_json(result: LevelResult) -> Record:
    failures = [case for case in result.results if case.verdict not in HARMLESS]
    return {
        "level": result.level.number,
        "verb": result.level.verb,
        "verdict": result.verdict,
        "cases": len(result.results),
        "agreed": result.agreed,
        "values": result.values,
        "different": result.different,
        "worst_ulps": result.worst_ulps,
        "worst_share": round(result.worst_share, 6),
        "seconds": round(result.seconds, 3),
        "failures": [case_json(case) for case in failures],
        "others": {
            verdict: [case.case.name for case in result.results if case.verdict == verdict]
            for verdict in HARMLESS
        },
    }


def outcome(found: Sequence[LevelResult], claimed: int, chosen: int | None) -> str:
    """One word for the whole run. `chosen` is the only level that was asked, None for the ladder."""
    asked = [result for result in found if chosen is not None or result.level.number <= claimed]
    checked = any(result.agreed for result in asked)
    failures = (result.verdict for result in asked if result.verdict not in HARMLESS)
    return next(failures, "conforms" if checked else "nothing checked")


def build_record(
    manifest: Manifest,
    prepared: Prepared,
    found: Sequence[LevelResult],
    *,
    key: str,
    suite_hash: str,
    timing: Timing,
    seconds: float,
    finding: Finding | None = None,
    next_step: Record | None = None,
    diagnosis: Sequence[Record] = (),
    notes: Sequence[str] = (),
    chosen: int | None = None,
    long: bool = False,
    native: bool = False,
) -> Record:
    """The record of a finished climb. `native`: the port was asked for its own functions."""
    record: Record = {
        **_head(manifest, prepared.runner, prepared.image_bytes),
        "reached_level": reached(found),
        "outcome": outcome(found, manifest.level, chosen),
        "only_level": chosen,
        "long_cases": long,
        "math": "native" if native else "exact",
        "build": {
            "hash": prepared.content_hash,
            "image": prepared.image or "",
            "base": prepared.base_id or "",
            "reused": prepared.reused,
            "toolchain": prepared.toolchain or "",
        },
        "key": key,
        "suite": suite_hash,
        "seconds": {
            "total": round(seconds, 3),
            "port": round(timing.waiting, 3),
            "start": round(timing.starting, 3),
            "build": round(prepared.seconds, 3),
        },
        "requests": timing.requests,
        "notes": list(notes),
        "finding": finding_json(finding) if finding else None,
        "next_step": next_step,
        "diagnosis": list(diagnosis),
        "trail": trail_json(found, finding),
        "levels": [level_json(result) for result in found],
    }
    validate(record, "the record of this run")
    return record


def build_failure(
    manifest: Manifest, fault: ConformError, *, runner: str, suite_hash: str, seconds: float
) -> Record:
    """The record of a port that could not be built."""
    record: Record = {
        **_head(manifest, runner),
        "reached_level": 0,
        "outcome": "build failed",
        "only_level": None,
        "long_cases": False,
        "build": {"hash": "", "image": "", "base": "", "reused": False, "toolchain": ""},
        "key": "",
        "suite": suite_hash,
        "seconds": {"total": round(seconds, 3), "port": 0.0, "start": 0.0, "build": round(seconds, 3)},
        "requests": 0,
        "notes": [],
        "finding": None,
        "next_step": None,
        "diagnosis": [],
        "fault": fault_json(fault),
        "levels": [],
    }
    validate(record, "the record of this run")
    return record


def _head(manifest: Manifest, runner: str, image_bytes: int | None = None) -> Record:
    """What every record says about the port, the machine and the day."""
    return {
        "schema": SCHEMA_VERSION,
        "port": manifest.name,
        "language": manifest.language,
        "agreement": manifest.agreement,
        "claimed_level": manifest.level,
        "known": [asdict(known) for known in manifest.known],
        "size": {**source_size(manifest), "image_bytes": image_bytes},
        "runner": runner,
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "processor": processor(),
            "python": platform.python_version(),
        },
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def diagnosis_json(diagnosis: Diagnosis) -> Record:
    return {
        "case": diagnosis.case,
        "variants": [" + ".join(names) for names in diagnosis.variants],
        "sentence": diagnosis.sentence,
    }


def finding_json(finding: Finding) -> Record:
    return {
        "verb": finding.request.verb,
        "request": finding.request.id,
        "sentence": finding.sentence,
        "difference": asdict(finding.difference),
    }


def trail_json(found: Sequence[LevelResult], finding: Finding | None) -> Record | None:
    """How every checkpoint of the first wrong reply compares, in the order of computation.

    It is the reply that the divergence was traced to, else that of the first case that disagrees.
    """
    if finding is not None and finding.quantities:
        name, quantities = f"{finding.request.verb}/{finding.request.id}", finding.quantities
    else:
        cases = (case for level in found for case in level.results if case.verdict == "disagrees")
        case = next(cases, None)
        if case is None or not case.quantities:
            return None
        name, quantities = case.case.id, case.quantities
    shown = quantities[:TRAIL_LENGTH]
    return {
        "case": name,
        "omitted": len(quantities) - len(shown),
        "quantities": [asdict(quantity) for quantity in shown],
    }


def source_size(manifest: Manifest) -> dict[str, int]:
    """How much there is to read in a port: its files, and their lines that are not blank."""
    contents = [(manifest.folder / path).read_bytes() for path in manifest.files()]
    lines = sum(1 for data in contents if b"\0" not in data for line in data.splitlines() if line.strip())
    return {"lines": lines, "files": len(contents)}


def validate(record: object, what: str) -> None:
    """Raises ManifestError with the path of the first value that does not fit the schema."""
    version = record.get("schema") if isinstance(record, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise ManifestError(
            f"{what} has the form of version {version}; this is version {SCHEMA_VERSION}",
            hint="run the port again, which writes the record anew; "
            "a record of a newer version needs a newer harness",
            code="schema-version",
        )
    errors = sorted(
        jsonschema.Draft202012Validator(schema()).iter_errors(record), key=lambda e: list(map(str, e.path))
    )
    if errors:
        place = ".".join(map(str, errors[0].absolute_path)) or "the top"
        raise ManifestError(f"{what} does not fit result.schema.json at {place}: {errors[0].message}")


def results_dir() -> Path:
    return paths.root() / "results"


def save(record: Record, folder: Path | None = None) -> Path:
    """Write a record as results/<port>.json, whole or not at all, and count it in the port's history."""
    folder = folder or results_dir()
    path = write(record, folder / f"{record['port']}.json")
    trend.note(record, folder)
    return path


def write(record: Record, path: Path) -> Path:
    return files.write_whole(path, json.dumps(record, indent=1) + "\n")


def read(path: Path) -> Record:
    """A record from its file. Raises ManifestError if it is missing, no JSON, or of another form."""
    try:
        record: Record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError(f"{paths.shown(path)} does not exist", hint="run make conform first") from None
    except (OSError, ValueError) as error:
        raise ManifestError(f"{paths.shown(path)} is not a JSON file: {error}") from None
    validate(record, paths.shown(path))
    return record


def read_all(folder: Path | None = None) -> list[Record]:
    """Every record in a folder, by port; other JSON files are passed over. Raises ManifestError."""
    folder = folder or results_dir()
    found = [read(path) for path in sorted(folder.glob("*.json")) if not _is_something_else(path)]
    return sorted(found, key=lambda record: str(record["port"]))


def _is_something_else(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return not (isinstance(content, dict) and "port" in content)
