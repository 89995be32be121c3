"""coverage.py on the bot, where the bot's environment asks for it as it asks in every other process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sim.errors import ScenarioError

VARIABLE = "COVERAGE_PROCESS_START"
"""In `bot.env`: the configuration file, as coverage.py has it for processes that others start."""


class BotCoverage:
    """Measures from the program's first line on; virtual time and the digest do not notice.

    To be made in the bot's working directory and with its environment, which coverage.py reads.

    Args:
        config: path of the configuration file.
        harness_root: the folder of the packages that are not the bot's.

    Raises:
        ScenarioError: coverage.py is not installed, or the file is not its configuration.
    """

    def __init__(self, config: str, harness_root: str) -> None:
        try:
            with _no_chance():
                import coverage  # noqa: PLC0415  (the bot's own: it need not be installed)
        except ImportError:
            raise ScenarioError(f"bot.env {VARIABLE}: coverage.py is not installed beside the bot") from None
        try:
            with _no_chance():
                self._coverage: Any = coverage.Coverage(config_file=config)
        except coverage.CoverageException as error:
            raise ScenarioError(f"bot.env {VARIABLE}: {config}: {error}") from None
        ours = [f"{harness_root}/{package}/*" for package in ("sim", "reports")]
        omitted: Any = self._coverage.get_option("run:omit")
        self._coverage.set_option("run:omit", [*(omitted or ()), *ours])

    def start(self) -> None:
        """Measure from now on, in this thread and in those started later."""
        with _no_chance():
            self._coverage.start()

    def finish(self) -> None:
        """Write what was measured, where its configuration says."""
        with _no_chance():
            self._coverage.stop()
            self._coverage.save()


@contextmanager
def _no_chance() -> Iterator[None]:
    """Let nothing be drawn from the bot's stream: a parallel data file is named by its process and zeros."""
    urandom, os.urandom = os.urandom, bytes
    try:
        yield
    finally:
        os.urandom = urandom
