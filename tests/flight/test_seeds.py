"""Seeds that failed once are flown again."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.flight.command import ROOT, Run, windtunnel

SEEDS = sorted((ROOT / "tests" / "seeds").glob("*.yaml"))


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_a_seed_that_failed_still_tells_its_story(path: Path, tmp_path: Path) -> None:
    """A seed that found a bug in a bot finds it still; one that found a bug of ours passes."""
    story = YAML(typ="safe").load(path)

    call = windtunnel("run", ROOT / story["scenario"], "--seed", story["seed"], "--out", "run", cwd=tmp_path)

    kinds = {finding["kind"] for finding in Run(tmp_path / "run").result["findings"] if finding["gating"]}
    assert kinds == (set() if story["kind"] == "pass" else {story["kind"]}), call.err
    assert call.code == (0 if story["kind"] == "pass" else 1)
