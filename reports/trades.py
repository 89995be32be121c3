"""trades.csv: every trade of the bot as a row, money in wei."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from reports.spelling import plain, spell_instant
from reports.story import Trade

COLUMNS = ("time", "block", "transaction", "path", "quoted", "realised", "gas", "tip", "status", "reason")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def trades_csv(trades: Iterable[Trade], epoch_s: int) -> str:
    """Return the table as CSV with a header row, one line feed a row.

    Args:
        trades: the trades, in the order in which they are to stand.
        epoch_s: virtual unix time of the flight's start; times are UTC with milliseconds.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trade in trades:
        writer.writerow(
            (
                spell_instant(epoch_s, trade.t_ns),
                _number(trade.block),
                _text(trade.transaction),
                _text(trade.path),
                _number(trade.quoted_wei),
                _number(trade.realised_wei),
                _number(trade.gas),
                _number(trade.tip_wei),
                _text(trade.status),
                _text(trade.reason),
            )
        )
    return out.getvalue()


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _text(value: str) -> str:
    """Return *value* so that no spreadsheet takes it for a formula."""
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
