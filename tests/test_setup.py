"""What `make setup` makes, and the locks it makes it from."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from sim.chain.keccak import keccak

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "sim" / "chain" / "artifacts"


def creation_code(name: str) -> bytes:
    artefact = json.loads((ARTIFACTS / f"{name}.json").read_text())
    return bytes.fromhex(artefact["bytecode"]["object"].removeprefix("0x"))


def test_the_pair_is_mainnets() -> None:
    """The pair's creation code hashes to the value that Uniswap's router on mainnet computes addresses with."""
    code_hash = keccak(creation_code("UniswapV2Pair")).hex()

    assert code_hash == "96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f"


def test_the_router_computes_addresses_of_that_pair() -> None:
    """The router holds the pair's init-code hash, so it finds the pairs that the factory makes."""
    assert keccak(creation_code("UniswapV2Pair")) in creation_code("UniswapV2Router02")


@pytest.mark.parametrize("name", ["UniswapV2Factory", "UniswapV2Pair", "UniswapV2Router02", "WETH9", "ERC20Token"])
def test_an_artefact_says_where_it_is_from(name: str) -> None:
    """Each artefact has its interface, both codes, its source and its licence."""
    artefact = json.loads((ARTIFACTS / f"{name}.json").read_text())

    assert artefact["abi"]
    assert artefact["source"]
    assert artefact["license"]
    assert len(bytes.fromhex(artefact["deployedBytecode"]["object"].removeprefix("0x"))) > 1000


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-node.lock", "requirements-peers.lock"])
def test_every_locked_package_has_hashes(lock: str) -> None:
    """Each entry of a lock file is one exact version, with the hashes of its archives."""
    entries = re.split(r"\n(?=[a-z])", (ROOT / lock).read_text())[1:]

    loose = [entry for entry in entries if not re.match(r"[a-z0-9.\-]+==\S+", entry) or "--hash=sha256:" not in entry]

    assert entries
    assert not loose


def test_the_lock_serves_the_declared_ranges() -> None:
    """Each direct requirement is in the lock, so the ranges and the lock tell one story."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [line for group in project["dependency-groups"].values() for line in group if isinstance(line, str)]
    wanted = {re.split(r"[\[<>=!~; ]", line)[0] for line in project["project"]["dependencies"] + groups}
    locked = "\n".join(
        (ROOT / name).read_text() for name in ("requirements.lock", "requirements-node.lock", "requirements-peers.lock")
    )

    missing = {name for name in wanted if f"\n{name.replace('.', '-')}==" not in locked}

    assert not missing


def test_npms_lock_names_no_place() -> None:
    """package-lock.json pins each package by version and hash, and says nowhere where it was downloaded from."""
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}

    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
