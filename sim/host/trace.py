"""A recorded trace of requests, as the behaviour of a link: how long each took, and how it ended."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

OK, TIMEOUT, RESET, REFUSED = "ok", "timeout", "reset", "refused"

_RPC_METHOD = re.compile(rb'"method"\s*:\s*"(\w+)"')
_REQUEST = re.compile(rb"([A-Z]{3,7}) \S+ HTTP/1\.[01]\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_HEAD_BYTES_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One request of the record.

    Args:
        at_ns: when it began, since the first row.
        endpoint: the host that was asked, in lower case; "" for every host.
        method: a JSON-RPC method or an HTTP verb; "" if unknown.
        latency_ns: from the request to its answer.
        status: `ok`, `timeout`, `reset`, `refused`, or the number of an HTTP status.
    """

    at_ns: int
    endpoint: str
    method: str
    latency_ns: int
    status: str = OK


class Trace:
    """Rows by endpoint and method; at each instant the newest one is in force."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[str, str], list[Row]] = {}
        for row in sorted(rows, key=lambda row: row.at_ns):
            for method in {row.method, ""}:
                self._rows.setdefault((row.endpoint, method), []).append(row)

    def row(self, now_ns: int, endpoint: str, methods: Iterable[str] = ()) -> Row | None:
        """Return the row in force for the first of *methods* that the endpoint's record has, or else for any.

        Before its first row that one is in force; after the last, the last.
        """
        for host in (endpoint, ""):
            for method in (*methods, ""):
                rows = self._rows.get((host, method))
                if rows:
                    return rows[max(0, bisect_right(rows, now_ns, key=lambda row: row.at_ns) - 1)]
        return None

    def round_trip_ns(self, now_ns: int, endpoint: str) -> int | None:
        """Return the time of a packet and its answer: of the methods' rows in force, the quickest."""
        for host in (endpoint, ""):
            methods = sorted({method for each, method in self._rows if each == host})
            found = [row.latency_ns for row in (self.row(now_ns, host, [each]) for each in methods) if row is not None]
            if found:
                return min(found)
        return None


def methods_of(data: bytes) -> list[str]:
    """Return what a segment of a request may be recorded as: its JSON-RPC method, then its HTTP verb."""
    return [match[1].decode() for match in (_RPC_METHOD.search(data), _REQUEST.match(data)) if match is not None]


def rest_of(data: bytes) -> int | None:
    """Return how much of the HTTP request that begins with *data* is still to come, or None if none begins there."""
    head, found, _ = data[:_HEAD_BYTES_MAX].partition(b"\r\n\r\n")
    if _REQUEST.match(data) is None or not found:
        return None
    length = _LENGTH.search(head)
    return max(0, int(length[1]) - (len(data) - len(head) - 4)) if length is not None else 0


def answer(status: str) -> bytes:
    """Return the answer of a gateway that has nothing to say but a status."""
    phrase = next((each.phrase for each in HTTPStatus if each == int(status)), "")
    return f"HTTP/1.1 {status} {phrase}\r\nContent-Length: 0\r\n\r\n".encode("ascii")
