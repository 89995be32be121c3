"""Anvil as a peer: silent, because a line of output for each request would be a part of what is measured."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bot.anvil import BINARY, Node, until


@contextmanager
def silent(*options: str) -> Iterator[tuple[Node, int]]:
    """Run an Anvil on a free port; yield it and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([str(BINARY), "--silent", "--port", str(port), *options]) as process:
        try:
            until(lambda: _listens(port), "Anvil to listen")
            yield Node(port), process.pid
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used so far, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class KeepAlive:
    """JSON-RPC over one HTTP connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(self, method: str, *params: Any) -> Any:
        """Return the result of one request."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
