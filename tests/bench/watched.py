"""The `windtunnel` command, whose flights load the stopwatch before they take the clocks over."""

from __future__ import annotations

from typing import Final

from sim import run
from sim.cli import main

START: Final = "import sys; "
WATCHED: Final = f"{START}sys.path.insert(0, sys.argv[1]); import tests.bench.stopwatch; "

if __name__ == "__main__":
    assert run._BOOT.startswith(START)
    run._BOOT = run._BOOT.replace(START, WATCHED, 1)
    main()
