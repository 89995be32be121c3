"""What a benchmark has found: rows of text, with the ratios that its targets are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Args:
        rounds: how often each side has its turn; the figure is the median over the rounds.
        share: of the work of a round; below 1 only to see that a benchmark runs.
    """

    rounds: int = 7
    share: float = 1.0

    def count(self, whole: int) -> int:
        """Return how many repetitions a round has, where a full one has *whole*."""
        return max(1, round(whole * self.share))


@dataclass(frozen=True, slots=True)
class Target:
    """What a ratio must be."""

    how: Literal["<=", ">="]
    limit: float

    def says(self, value: float) -> str:
        """Return the target and whether *value* reaches it."""
        reached = value <= self.limit if self.how == "<=" else value >= self.limit
        return f"{'≤' if self.how == '<=' else '≥'} {self.limit:g}: {'reached' if reached else 'missed'}"


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the names of the columns and the rows, all text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table as GitHub's Markdown: the first column to the left, the others to the right."""
        rule = ("---", *("---:" for _ in self.columns[1:]))
        lines = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]
        return "\n".join([f"### {self.title}", "", *lines])


def versus(
    what: str,
    ours: Sequence[float],
    peers: Sequence[float],
    digits: int,
    target: Target | None = None,
) -> tuple[str, str, str, str, str]:
    """Return the row that compares two sides: medians, and the median of the ratios, one a round."""
    ratio = median(mine / theirs for mine, theirs in zip(ours, peers, strict=True))
    return (
        what,
        f"{median(ours):,.{digits}f}",
        f"{median(peers):,.{digits}f}",
        f"{ratio:.2f}",
        target.says(ratio) if target else "",
    )
