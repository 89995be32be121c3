"""A person at a terminal: the command on a pseudo-terminal, and what is typed at each prompt of pdb."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.flight.command import PATIENCE_S, WINDTUNNEL, Call, surroundings

PROMPT = "(Pdb) "
CTRL_C = "\x03"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def attended(*words: str | Path, cwd: Path, typed: Sequence[str]) -> Call:
    """Call the command at a terminal and type one of *typed* at each prompt, `c` when they are used up.

    `CTRL_C` is the key.
    What the terminal showed is the call's `err`; it is `out`, too, since a terminal is one stream.
    """
    person, terminal = pty.openpty()
    process = subprocess.Popen(
        [str(WINDTUNNEL), *map(str, words)], cwd=cwd, env=surroundings(), stdin=terminal, stdout=terminal,
        stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    lines, seen, answered = list(typed), "", 0
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if not select.select([person], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            data = os.read(person, 65536)
        except OSError:  # the last descriptor of the other side was closed
            break
        seen += data.decode()
        while seen.count(PROMPT) > answered:
            _type(person, process, lines[answered] if answered < len(lines) else "c")
            answered += 1
    code = process.wait(timeout=10)
    os.close(person)
    shown = _ESCAPE.sub("", seen).replace("\r\n", "\n")
    return Call(code, shown, shown)


def _type(person: int, process: subprocess.Popen[bytes], what: str) -> None:
    if what == CTRL_C:  # this terminal controls nobody, so the key is sent as what it sends
        process.send_signal(signal.SIGINT)
    else:
        os.write(person, f"{what}\n".encode())
