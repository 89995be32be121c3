"""A fault of Windtunnel's own is exit code 4, whatever the bot was doing."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.flight.command import ROOT, ZOO, windtunnel

CALL = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sim.cli import main; main()"
HEALTHY = "    def _block(self, block: Block) -> None:\n"
PLANTED = HEALTHY + '        assert block.number < 23_000_002, "planted: block 23000002 is one too many"\n'


def test_a_broken_world_is_not_the_bots_crash(tmp_path: Path) -> None:
    """In a copy of the source whose ledger fails at the second block: exit 4, the seed, the trace, and no folder."""
    for room in ("sim", "reports"):
        shutil.copytree(ROOT / room, tmp_path / "copy" / room, ignore=shutil.ignore_patterns("__pycache__"))
    ledger = tmp_path / "copy" / "sim" / "ledger.py"
    source = ledger.read_text()
    assert HEALTHY in source
    ledger.write_text(source.replace(HEALTHY, PLANTED))

    call = windtunnel(
        tmp_path / "copy", "run", ZOO / "quiet.yaml", "--json", "--seed", "7", "--out", "run", cwd=tmp_path,
        program=(sys.executable, "-P", "-c", CALL),
    )  # fmt: skip

    assert call.code == 4
    assert call.out == ""
    assert "planted: block 23000002 is one too many" in call.err
    assert "seed 7" in call.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]
