"""The folder of a run: where it goes, who writes it, how it gets its name."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sim.errors import UsageError
from sim.fingerprint import subject8
from sim.host.output import Redactor

WRITERS_MAX = 256
"""Runs of one scenario, seed and fingerprint that may be under way at once."""


@dataclass(frozen=True, slots=True)
class Part:
    """The sibling that a run is written to before it gets its name; a lock on it says that somebody writes.

    Its name says nothing of the process, so the bot's working directory is called the same in every flight of a run
    (but for one that flies while another of the same run does).
    """

    path: Path
    lock_fd: int

    def publish(self, target: Path) -> None:
        """Give the folder its name; an older run of the same fingerprint makes room."""
        old = self.path.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        self.path.rename(target)
        os.close(self.lock_fd)
        shutil.rmtree(old, ignore_errors=True)

    def discard(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock_fd)


def target(out: Path | None, scenario_id: str, seed: int, print_: dict[str, Any]) -> Path:
    """Return where the run goes; a folder of another fingerprint is never taken.

    Args:
        out: the argument of `--out`; None is `runs/<id>/<subject8>/<seed>`.
        print_: the run's fingerprint.

    Raises:
        UsageError: `--out` names a folder that holds something else.
    """
    if out is not None:
        found = out.absolute()
        if found.exists() and not found.is_dir():
            raise UsageError(f"--out {out}: it is a file; name a folder")
        if found.is_dir() and any(found.iterdir()) and _fingerprint_of(found) != print_:
            raise UsageError(f"--out {out}: it holds another run or other files; name an empty or new folder")
        return found
    base = Path.cwd() / "runs" / scenario_id / subject8(print_)
    found = base / str(seed)
    if found.exists() and _fingerprint_of(found) != print_:
        world = blake2b(json.dumps(print_["world"], sort_keys=True).encode(), digest_size=4).hexdigest()
        found = base / f"{seed}-{world}"
    return found


def claim(target: Path, say: Callable[[str], None]) -> Part:
    """Make the folder that a run is written to, and empty it of a run whose supervisor died.

    The lock goes when its holder does, however that ends.

    Raises:
        UsageError: it cannot be made.
    """
    for number in range(1, WRITERS_MAX + 1):
        path = target.with_name(f".{target.name}.part" if number == 1 else f".{target.name}.{number}.part")
        lock_fd = _locked(path, target)
        if lock_fd is None:
            continue
        if any(path.iterdir()):
            say(f"an unfinished run of {target} made room: what flew it was killed")
            for each in path.iterdir():
                shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        return Part(path, lock_fd)
    raise UsageError(f"{target}: {WRITERS_MAX} flights of this run are under way")


def _locked(path: Path, target: Path) -> int | None:
    """Return a descriptor that holds the lock of *path*, made if need be; None if somebody else has it."""
    while True:
        try:
            path.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise UsageError(f"{target}: the run's folder cannot be made: {error.strerror}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_dir() and path.stat().st_ino == os.fstat(fd).st_ino:
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        os.close(fd)  # between open and lock it got its name: look again


def _fingerprint_of(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / "result.json").read_text())["fingerprint"]
    except (OSError, ValueError, KeyError):
        return None
    return found


def scrub(part: Path, keys: list[bytes]) -> None:
    """Strike the keys out of what the bot left: its files and their names, and what it printed past `sys.stdout`."""
    redactor = Redactor(keys)
    left = sorted((part / "cwd").rglob("*"), reverse=True)  # files before the folders that hold them
    for file in [*left, part / "bot.log", part / "harness.log"]:
        if file.is_symlink():
            pointed = str(file.readlink())
            if redactor.text(pointed) != pointed:
                file.unlink()
                file.symlink_to(redactor.text(pointed))
        elif file.is_file():
            data = file.read_bytes()
            cleaned = redactor.data(data)
            if cleaned != data:
                file.write_bytes(cleaned)
        cleaned_name = redactor.text(file.name)
        if cleaned_name != file.name:
            file.rename(file.with_name(cleaned_name))
