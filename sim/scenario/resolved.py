"""A scenario written out in full, and the hash of the world that it describes."""

from __future__ import annotations

import io
import json
import re
from hashlib import blake2b
from typing import Any

from ruamel.yaml import YAML

from sim.scenario.bot import Bot
from sim.scenario.fields import MASK
from sim.scenario.model import Scenario

LINE_CHARACTERS_MAX = 4096
# What has no part in the world: two runs that differ in these alone are comparable.
NOT_WORLD = {"id", "seed", "bot", "limits", "thresholds"}

_SECRET_NAME = re.compile(r"KEY|SECRET|PRIVATE|MNEMONIC|PASSWORD", re.IGNORECASE)
_HEX_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")


def resolved(scenario: Scenario) -> str:
    """Return *scenario* as YAML with defaults, `extends` and `--set` written in and paths in full.

    Templates are kept as they are. A private key that the scenario gives is written as `***`, wherever it occurs.
    """
    data = scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    out = io.StringIO()
    yaml = YAML(typ="rt", pure=True)
    yaml.width = LINE_CHARACTERS_MAX
    yaml.dump(_masked(data, secrets(scenario)), out)
    return out.getvalue()


def secrets(scenario: Scenario) -> tuple[str, ...]:
    """Return every secret written in the scenario, as lower-case hexadecimal digits without `0x`.

    These are its accounts' keys, and what looks like a key under a variable whose name says so.
    """
    found = {account.key.value.hex() for account in scenario.accounts.values() if account.key is not None}
    if scenario.bot is not None:
        for name, text in scenario.bot.env.items():
            if _SECRET_NAME.search(name):
                found |= {match.lower().removeprefix("0x") for match in _HEX_KEY.findall(text)}
    return tuple(sorted(found))


def world_hash(scenario: Scenario) -> str:
    """Return the hash of what *scenario* says about the world: not its bot, seed, limits, thresholds and id.

    What the bot's computer is like belongs to the world: its clock, its site, the order of its sets, and the CPU time
    that the bot's functions take.

    Files enter by their content, so the hash is the same in another checkout.
    """
    data = scenario.model_dump(mode="json", by_alias=True, exclude=NOT_WORLD, context={"files": "content"})
    if scenario.bot is not None:  # of the bot, the computer it runs on is the world's
        data |= {key: part for key, part in _machine(scenario.bot).items() if part}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return blake2b(text.encode(), digest_size=16, person=b"windtunnel").hexdigest()


def _machine(bot: Bot) -> dict[str, Any]:
    return bot.model_dump(
        mode="json", include={"cpu", "clock", "set_order", "site"}, exclude_defaults=True, context={"files": "content"}
    )


def _masked(value: Any, hidden: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _masked(item, hidden) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, hidden) for item in value]
    if not isinstance(value, str):
        return value
    for secret in hidden:
        value = re.sub(f"(0x)?{secret}", MASK, value, flags=re.IGNORECASE)
    return value
