"""The metrics reference: `python -m sim.metric.reference > docs/metrics.md` writes it from the registry."""

from __future__ import annotations

import sys
from itertools import groupby

from sim.metric.registry import METRICS, Metric

_INTRODUCTION = """\
# Metrics

Written from the registry by `python -m sim.metric.reference > docs/metrics.md`; a test says when it is out of date.

Every metric is computed from a run's record alone, so `windtunnel gate` gives the answer that `windtunnel run`
gave. Values are in base units: `ns` of virtual time, `wei`, `gas`, `bytes`, `count`, `ratio` (0 to 1). No sample,
no value: `result.json` then says `null`, and a threshold on it fails. The `bot.*` metrics are about the account
`bot` and the contracts it deployed.

## What a threshold may ask

| type | holds | aggregates |
|---|---|---|
| counter | a total | `count` (or `value`), the total; `rate`, the total per second of virtual time |
| gauge | the last of its values | `value`, the last; `min`; `max`; `count`, the number of samples |
| rate | a share | `rate` (or `value`), the share; `count`, the number of samples |
| trend | a distribution | `count`, `min`, `mean` (or `avg`), `med`, `max`, `p(N)` |

`aggregate operator value`: `p(99)<350ms`, `count==0`, `value>=0.01 ether`, `rate<1%`. Operators are `< <= > >= ==
!=`. A value without a unit is in the metric's base unit; a value in the unit of something else is refused.
`lock.wait{lock:nonce}` asks only the samples with that tag, `rpc.calls{node:node-a,method:eth_call}` those with
both. Percentiles are exact and interpolated linearly between samples, as in numpy; means and percentiles of `ns`,
`wei`, `gas` and `bytes` are rounded down. A `{expr, abort_on_fail: true}` that fails ends a run over several seeds:
no further seed is flown.

*Source* says who tells: `events`, what happened in the world, always there; `probe`, what watched the bot;
`findings`, the number of findings of a kind. With probes off the last two have no sample, so that a threshold on
them cannot pass unseen.
"""


def metrics_page() -> str:
    """Return the text of docs/metrics.md."""
    parts = [_INTRODUCTION]
    for room, metrics in groupby(METRICS.values(), key=lambda metric: metric.room):
        rows = [_row(metric) for metric in metrics]
        parts.append(
            "\n".join(
                [f"## {room}", "", "| metric | type, unit | source | what it is |", "|---|---|---|---|", *rows, ""]
            )
        )
    return "\n".join(parts)


def _row(metric: Metric) -> str:
    tags = f" Tags: {', '.join(f'`{tag}`' for tag in metric.tags)}." if metric.tags else ""
    return f"| `{metric.name}` | {metric.type}, {metric.unit} | {metric.source} | {metric.definition}{tags} |"


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
