from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.bench.__main__ import BENCHMARKS, app
from tests.bench.table import Effort, Target, versus


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_runs(name: str) -> None:
    """With next to nothing to do, each benchmark still measures both sides and fills its tables."""
    tables = BENCHMARKS[name](Effort(rounds=1, share=0.001))

    for table in tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    """A round in which the machine did something else moves neither the figures nor the ratio."""
    row = versus("x", [2.0, 4.0, 90.0], [1.0, 2.0, 3.0], 1, Target("<=", 2.0))

    assert row == ("x", "4.0", "2.0", "2.00", "≤ 2: reached")


def test_an_unknown_benchmark_is_refused() -> None:
    """A name that is no benchmark ends with exit code 2 and the names there are."""
    result = CliRunner().invoke(app, ["swap"])

    assert result.exit_code == 2
    assert "swaps" in result.output
