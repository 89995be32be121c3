"""The plots of a report: SVG by matplotlib, the same bytes for the same record.

No text of a record enters a plot: matplotlib would read it as mathematics and measure it with fonts it may not have.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reports.spelling import clock, time_step_s
from reports.story import Points, Story
from sim.metric import Trend
from sim.units import ETHER, GWEI, MS, S

POINTS_MAX = 600
COLORS = ("#2f6fdf", "#c2640c", "#0f8f6f", "#8a4fd0", "#b83264")
_INK = "#010203"
_QUIET = "#040506"
_ONE_AT_A_TIME = Lock()  # matplotlib's settings belong to the process, and runs are reported from several threads
_LEFT_INCHES, _RIGHT_INCHES = 0.72, 0.22
_TITLE_INCHES, _FOOT_INCHES, _GAP_INCHES = 0.26, 0.26, 0.12
_SETTINGS = {
    "svg.hashsalt": "windtunnel",
    "svg.fonttype": "none",
    "font.size": 9.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": _QUIET,
    "grid.alpha": 0.16,
    "grid.linewidth": 0.7,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # left to itself, matplotlib measures every label to place it
}


def money_plot(story: Story) -> str | None:
    """Return the plot of profit and gas paid over time, or None without balances."""
    if not story.profit:
        return None
    with _figure(10, 3.4) as figure:
        upper, lower = _stacked(figure, (2, 1))
        profit = thinned(story.profit)
        upper.plot(_seconds(profit), _scaled(profit, ETHER), drawstyle="steps-post", color=COLORS[0])
        upper.fill_between(_seconds(profit), _scaled(profit, ETHER), step="post", color=COLORS[0], alpha=0.12, lw=0)
        upper.axhline(0, color=_QUIET, lw=0.8, alpha=0.5)
        upper.set_title("profit, ETH")
        paid = thinned([(0, 0), *story.gas_cost, (story.end_ns, story.gas_cost[-1][1] if story.gas_cost else 0)])
        lower.plot(_seconds(paid), _scaled(paid, ETHER), drawstyle="steps-post", color=COLORS[1])
        lower.set_title("gas paid, ETH")
        _mark_reorgs((upper, lower), story)
        _time_axis(lower, story)
        return _svg(figure, "money")


def price_plot(story: Story) -> str | None:
    """Return the plot of prices, one line per token and venue, or None without prices."""
    if not story.prices:
        return None
    with _figure(6, 2.9) as figure:
        (axes,) = _stacked(figure, (1,))
        for color, points in zip(_cycled(COLORS), story.prices.values(), strict=False):
            line = thinned(points)
            axes.plot(_seconds(line), _scaled(line, ETHER), color=color)
        axes.set_title("price of a whole token, ETH")
        _mark_reorgs((axes,), story)
        _time_axis(axes, story)
        return _svg(figure, "price")


def latency_plot(story: Story) -> str | None:
    """Return the empirical distributions of the bot's latencies on a logarithmic axis, or None without any."""
    stages = ((story.head_to_send, COLORS[0]), (story.send_to_inclusion, COLORS[1]))
    drawn = [(trend, color) for trend, color in stages if len(trend)]
    if not drawn:
        return None
    with _figure(6, 2.9) as figure:
        (axes,) = _stacked(figure, (1,))
        for trend, color in drawn:
            milliseconds, shares = _distribution(trend)
            axes.plot(milliseconds, shares, drawstyle="steps-post", color=color)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(_milliseconds))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(0, 102)
        axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
        axes.set_title("share that took at most this long, %")
        return _svg(figure, "latency")


def chain_plot(story: Story) -> str | None:
    """Return the plot of gas per block and base fee, or None without blocks."""
    if not story.blocks:
        return None
    gas = thinned([(block.t_ns, block.gas_used) for block in story.blocks])
    fee = thinned([(block.t_ns, block.base_fee_wei) for block in story.blocks])
    with _figure(10, 3.0) as figure:
        upper, lower = _stacked(figure, (1, 1))
        upper.vlines(_seconds(gas), 0, _scaled(gas, 10**6), color=COLORS[2], lw=max(1.2, min(6.0, 320 / len(gas))))
        upper.set_title("gas used per block, million")
        upper.set_ylim(bottom=0)
        lower.plot(_seconds(fee), _scaled(fee, GWEI), color=COLORS[3], drawstyle="steps-post")
        lower.set_title("base fee, gwei")
        _mark_reorgs((upper, lower), story)
        _time_axis(lower, story)
        return _svg(figure, "chain")


def thinned(points: Points, points_max: int = POINTS_MAX) -> Points:
    """Return at most *points_max* of *points*: of each stretch the first, the least, the greatest and the last."""
    if len(points) <= points_max:
        return points
    stretches = points_max // 4
    kept: Points = []
    for index in range(stretches):
        stretch = points[index * len(points) // stretches : (index + 1) * len(points) // stretches]
        low = min(range(len(stretch)), key=lambda at: stretch[at][1])
        high = max(range(len(stretch)), key=lambda at: stretch[at][1])
        kept += (stretch[at] for at in sorted({0, low, high, len(stretch) - 1}))
    return kept


@contextmanager
def _figure(width: float, height: float) -> Iterator[Figure]:
    """Yield a figure under our settings alone: nothing of a user's matplotlibrc, and no global state afterwards."""
    defaults = {name: value for name, value in mpl.rcParamsDefault.items() if not name.startswith("backend")}
    settings: Any = defaults | _SETTINGS  # to mypy its keys are three hundred literals
    with _ONE_AT_A_TIME, mpl.rc_context(settings):
        yield Figure(figsize=(width, height))


def _stacked(figure: Figure, ratios: tuple[int, ...]) -> list[Axes]:
    """Return panels one above the other, placed by inches: matplotlib's own layouts draw everything twice."""
    width, height = figure.get_size_inches()
    free = height - len(ratios) * _TITLE_INCHES - _FOOT_INCHES - (len(ratios) - 1) * _GAP_INCHES
    panels: list[Axes] = []
    top = height
    for ratio in ratios:
        tall = free * ratio / sum(ratios)
        bottom = top - _TITLE_INCHES - tall
        box = (_LEFT_INCHES / width, bottom / height, (width - _LEFT_INCHES - _RIGHT_INCHES) / width, tall / height)
        axes = figure.add_axes(box, sharex=panels[0] if panels else None)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:.6g}"))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(labelbottom=len(panels) + 1 == len(ratios))
        panels.append(axes)
        top = bottom - _GAP_INCHES
    return panels


def _svg(figure: Figure, name: str) -> str:
    """Return *figure* as an SVG element for a page: sized by the page, its ids made unique, its ink the page's."""
    out = io.StringIO()
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})  # type: ignore[no-untyped-call]
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"^<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>", r'<svg viewBox="\1" aria-hidden="true">', text)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", text).replace("xlink:href", "href")
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    return text.replace(_INK, "currentColor").replace(_QUIET, "currentColor").strip()


def _mark_reorgs(panels: Iterable[Axes], story: Story) -> None:
    for axes in panels:
        for t_ns, _depth in story.reorgs[:POINTS_MAX]:
            axes.axvline(t_ns / S, color=COLORS[4], lw=0.9, ls=(0, (3, 2)), alpha=0.8)


def _time_axis(axes: Axes, story: Story) -> None:
    end_s = max(story.end_ns / S, 1.0)
    step_s = time_step_s(end_s)
    axes.set_xlim(0, end_s)
    axes.xaxis.set_major_locator(FixedLocator([at * step_s for at in range(int(end_s / step_s) + 1)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _position: clock(int(second))))


def _milliseconds(value: float, _position: int | None = None) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"


def _distribution(trend: Trend) -> tuple[list[float], list[float]]:
    ordered = trend.sorted()
    count = len(ordered)
    ranks = range(count) if count <= POINTS_MAX else [at * (count - 1) // (POINTS_MAX - 1) for at in range(POINTS_MAX)]
    marks = [(max(ordered[rank], 1) / MS, 100 * (rank + 1) / count) for rank in ranks]
    return [marks[0][0], *(mark[0] for mark in marks)], [0, *(mark[1] for mark in marks)]


def _seconds(points: Points) -> list[float]:
    return [t_ns / S for t_ns, _value in points]


def _scaled(points: Points, size: int) -> list[float]:
    return [value / size for _t_ns, value in points]


def _cycled(colors: Sequence[str]) -> Iterator[str]:
    while True:
        yield from colors
