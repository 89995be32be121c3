"""result.json: a verdict in the form that other people's scripts read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sim.verdict.judge import Verdict

SCHEMA = 1


def result_of(verdict: Verdict) -> dict[str, Any]:
    """Return *verdict* in the form of interface.md, keys in its order."""
    header = verdict.header
    return {
        "schema": SCHEMA,
        "scenario": header.get("scenario"),
        "seed": header.get("seed"),
        "digest": verdict.digest,
        "verdict": verdict.value,
        "findings": [finding.as_json() for finding in verdict.findings],
        "metrics": verdict.metrics,
        "thresholds": [result.as_json() for result in verdict.thresholds],
        "fingerprint": header.get("fingerprint", {}),
        "replay": header.get("replay", ""),
        "reasons": list(verdict.reasons()),
        "notes": list(verdict.notes),
        "end": verdict.end,
        "reproducible": not header.get("stress") and all(finding.reproducible for finding in verdict.findings),
    }


def result_line(verdict: Verdict) -> str:
    """Return the result as one line of JSON, without a line feed: what `--json` prints."""
    return json.dumps(result_of(verdict), separators=(",", ":"), allow_nan=False)


def write_result(folder: Path, verdict: Verdict) -> Path:
    """Write `result.json` into the run folder and return its path."""
    path = folder / "result.json"
    write_whole(path, json.dumps(result_of(verdict), indent=2, allow_nan=False) + "\n")
    return path


def write_whole(path: Path, text: str) -> None:
    """Write *text* so that a reader finds the old file or the new one, never a part."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
