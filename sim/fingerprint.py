"""What a run depends on: the world, equal in runs that are compared, and the subject, which may differ."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterable
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from re import match
from typing import Any

from sim import __version__
from sim.scenario import Scenario, world_hash

ADDR_NO_RANDOMIZE = 0x0040000
_TREE_FILES_MAX = 20_000
_SKIPPED = frozenset({"__pycache__", "node_modules", "runs", "build", "dist", "site-packages"})


def fingerprint(scenario: Scenario, engine: str, aslr_off: bool) -> dict[str, Any]:
    """Return the fingerprint of a run of *scenario*, as result.json has it."""
    return {
        "world": {
            "windtunnel": __version__,
            "python": platform.python_version(),
            "engine": engine,
            "level": level(scenario),
            "scenario": world_hash(scenario),
            "lock": lock_hash(),
            "aslr": "off" if aslr_off else "on",
        },
        "subject": {"tree": tree_hash(scenario), "dependencies": dependencies_hash()},
    }


def level(scenario: Scenario) -> str:
    """Return the freedom that a run of *scenario* takes: L0 is asyncio's own order, and sets' order of creation."""
    return "L2" if scenario.bot is not None and scenario.bot.set_order else "L0"


def hash_seed(scenario: Scenario, seed: int) -> int:
    """Return the seed of hashes of texts, which decides the order of sets of them."""
    set_order = scenario.bot.set_order if scenario.bot is not None else 0
    text = f"{seed} {set_order}" if set_order else str(seed)
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big")


def subject8(print_: dict[str, Any]) -> str:
    """Return the eight digits that name the subject's folder."""
    subject = print_["subject"]
    return blake2b((subject["tree"] + subject["dependencies"]).encode(), digest_size=4).hexdigest()


def lock_hash() -> str:
    """Return the hash of the versions of what Windtunnel itself runs on."""
    try:
        names = sorted(
            {found[0].lower() for line in requires("windtunnel") or () if (found := match(r"[\w.-]+", line))}
        )
    except PackageNotFoundError:
        names = []
    return _hash(f"{name}=={_version(name)}" for name in names)


def dependencies_hash() -> str:
    """Return the hash of every installed distribution's name and version: what the bot may have imported.

    They are read off the folders' names, which takes a hundredth of opening each distribution's metadata.
    """
    found = {
        folder.name.rpartition(".")[0].lower()
        for entry in sys.path
        for folder in Path(entry or ".").glob("*.dist-info")
        if not folder.name.startswith("windtunnel-")
    }
    return _hash(sorted(found))


def tree_hash(scenario: Scenario) -> str:
    """Return the hash of the bot's source: its package or script, and the templates of its files.

    For an entry `a.b:main` that is the package or module `a` below `bot.path`; for a script every Python file below
    the script's folder.
    """
    bot = scenario.bot
    assert bot is not None, "the scenario has a bot"
    if bot.script is not None:
        root = Path(bot.script).parent
        files = list(_python_files(root))
    else:
        root = Path(bot.path)
        top = root / (bot.entry or "").partition(":")[0].partition(".")[0]
        files = list(_python_files(top)) if top.is_dir() else [top.with_suffix(".py")]
    parts = [(str(file.relative_to(root)), file) for file in files]
    parts += [(f"template:{target}", Path(template)) for target, template in bot.files.items()]
    digest = blake2b(digest_size=16)
    for name, file in sorted(parts):
        content = file.read_bytes() if file.is_file() else b""
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def fix_addresses() -> bool:
    """Turn address-space randomisation off for the processes that this one starts; say whether the kernel lets it."""
    libc = ctypes.CDLL(None, use_errno=True)
    current = libc.personality(ctypes.c_ulong(0xFFFFFFFF))
    return bool(current != -1 and libc.personality(ctypes.c_ulong(current | ADDR_NO_RANDOMIZE)) != -1)


def _python_files(folder: Path) -> Iterable[Path]:
    found = 0
    for file in sorted(folder.rglob("*.py")):
        inside = file.relative_to(folder).parts[:-1]
        if any(part in _SKIPPED or part.startswith(".") for part in inside):
            continue
        found += 1
        if found > _TREE_FILES_MAX:
            return
        yield file


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _hash(lines: Iterable[str]) -> str:
    return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
