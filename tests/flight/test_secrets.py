"""A canary private key is nowhere in what a run leaves behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import zstandard

from sim.chain.transaction import Account
from sim.rng import Streams
from tests.flight.command import ZOO, Flock, windtunnel

CANARY = bytes.fromhex("deadc0de7e57c0ffee5ca1ab1e0ddba11cab005e0b5e55ed0ddc0de5ba5eba11")

SPELLINGS = [
    CANARY.hex().encode(),
    str(int.from_bytes(CANARY, "big")).encode(),
    CANARY,
    base64.b64encode(CANARY).rstrip(b"="),
    base64.urlsafe_b64encode(CANARY).rstrip(b"="),
    repr(CANARY)[2:-1].encode(),
    json.dumps(repr(CANARY)[2:-1])[1:-1].encode(),
    str(list(CANARY))[1:-1].encode(),
    json.dumps(list(CANARY), separators=(",", ":"))[1:-1].encode(),
]


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file and link below *folder* with its content, and every name; the record is unpacked."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        yield f"the name {name!r}", name.encode()
        if path.is_symlink():
            yield f"the link {name}", str(path.readlink()).encode()
        elif path.suffix == ".zst":
            with path.open("rb") as file:
                yield name, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
        elif path.is_file():
            yield name, path.read_bytes()


def leaks(folder: Path) -> list[str]:
    """Return where a spelling of the canary stands."""
    return [
        f"{where}: {spelling!r}"
        for where, content in contents(folder)
        for spelling in SPELLINGS
        if spelling in content or spelling.lower() in content.lower()
    ]


def test_a_key_that_the_bot_tells_is_nowhere_in_the_run_folder(bad: Flock) -> None:
    """Printed, logged, written, named, linked, raised, in ten spellings: each is `***` in log, record and reports."""
    run = bad.run("tells_its_key")

    found = leaks(run.folder)

    assert found == []
    assert "RuntimeError: cannot sign with 0x***, b'***'" in run.finding("crash")["title"]
    assert "past sys.stdout 0x***" in run.log
    assert run.log.count("***") > 30
    assert (run.folder / "cwd" / "key.bin").read_bytes() == b"***"


def test_a_key_that_the_bot_tells_is_nowhere_in_the_commands_output(bad: Flock) -> None:
    """What the command prints holds no spelling either."""
    printed = (bad.call.out + bad.call.err).lower()

    assert CANARY.hex() not in printed


def test_a_key_on_the_command_line_stays_out_of_the_run_folder(tmp_path: Path) -> None:
    """`--set` with a key flies with it; record, replay line and reports show `***`."""
    key = f'accounts.bot.key="0x{CANARY.hex()}"'

    call = windtunnel(
        "run", ZOO / "bad" / "tells_its_key.yaml", "--bot", ZOO / "quiet.py", "--set", key, "--set", "duration=2s",
        "--out", "run", "--json", cwd=tmp_path,
    )  # fmt: skip

    assert call.code == 0, call.err
    assert leaks(tmp_path / "run") == []
    assert "0x***" in call.results[0]["replay"]
    assert CANARY.hex() not in call.out + call.err


def test_templates_are_kept_and_keys_are_never_expanded(bad: Flock) -> None:
    """scenario.resolved.yaml has the reference to a key as it was written, and `***` for a key that was given."""
    text = (bad.run("tells_its_key").folder / "scenario.resolved.yaml").read_text()

    assert "BOT_KEY: ${accounts.bot.key}" in text
    assert "***" in text


def test_keys_drawn_from_the_seed_are_struck_out_too(good: Flock) -> None:
    """A key that no file holds, printed by the bot, is `***` as well."""
    run = good.run("mirror")
    key = Account.from_seed(Streams(1).stream("accounts"), "me").key.hex().encode()

    assert '"MY_KEY": "0x***"' in run.log
    assert [where for where, content in contents(run.folder) if key in content.lower()] == []
