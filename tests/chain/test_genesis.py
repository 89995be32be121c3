from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sim.chain.artifacts import Artifact, bundled
from sim.chain.chain import Chain, ChainConfig
from sim.chain.engine import CallRequest
from sim.chain.genesis import (
    CREATE2_DEPLOYER,
    MULTICALL3,
    WETH,
    CallSpec,
    ContractSpec,
    FundedAccount,
    GenesisSpec,
    PoolSpec,
    TokenSpec,
    VenueSpec,
    addresses,
    build_start,
)
from sim.chain.keccak import keccak
from sim.chain.pyevm import make_engine
from sim.chain.start_cache import cache_folder
from sim.errors import ScenarioError
from sim.units import ETHER, GWEI
from tests.chain.world import genesis, trader

CONFIG = ChainConfig(base_fee_wei=10 * GWEI, start_number=1000)


def start(spec: GenesisSpec, cache: Path | None = None, lock: str = "") -> tuple[Chain, dict[str, bytes]]:
    engine = make_engine("pyevm", spec.config.fork)
    built = build_start(spec, engine, cache=cache, lock_hash=lock)
    return Chain(spec.config, engine, built.blocks), dict(built.addresses)


def asked(chain: Chain, to: bytes, data: bytes) -> bytes:
    result = chain.call(CallRequest(to, data), chain.head)
    assert result.success, result.error
    return result.output


def hashes(chain: Chain) -> list[tuple[bytes, bytes]]:
    blocks = [chain.get_block(number) for number in range(chain.start.number - 3, chain.start.number + 1)]
    return [(block.hash, block.digest) for block in blocks if block]


def test_the_known_contracts_stand_where_mainnet_has_them() -> None:
    """WETH9, Multicall3 and the CREATE2 deployer stand at their mainnet addresses, with mainnet's code."""
    chain, _ = start(genesis(CONFIG))
    state = chain.state(chain.head)

    assert asked(chain, WETH, bundled("WETH9").call("symbol"))[64:68] == b"WETH"
    # code hashes as on mainnet: eth_getCode of the two addresses
    assert keccak(state.code(MULTICALL3)).hex() == "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"
    assert keccak(state.code(CREATE2_DEPLOYER)).hex() == (
        "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989"
    )


def test_both_venues_are_uniswap() -> None:
    """Each venue has its own factory, router and pair, and routers find their pairs by Uniswap's own formula."""
    chain, places = start(genesis(CONFIG))

    for venue in ("uniswap_v2", "uniswap_v2_fork"):
        factory, router, pair = (places[f"{venue}.{part}"] for part in ("factory", "router", "pair"))
        known = asked(chain, factory, bundled("UniswapV2Factory").call("getPair", (WETH, places["token"])))
        amounts = asked(
            chain, router, bundled("UniswapV2Router02").call("getAmountsOut", (ETHER, (WETH, places["token"])))
        )
        assert known[12:] == pair
        assert int.from_bytes(amounts[-32:], "big") == 997 * ETHER * 2_000_000 // (1_000_000 + 997)
    assert places["uniswap_v2.pair"] != places["uniswap_v2_fork.pair"]


def test_hit_and_miss_give_the_same_start(tmp_path: Path) -> None:
    """Blocks, digests and what contracts answer are the same without a cache, on a miss and on a hit."""
    spec = genesis(CONFIG)
    uncached, _ = start(spec)

    missed, _ = start(spec, tmp_path)
    files = list(tmp_path.rglob("*"))
    hit, places = start(spec, tmp_path)

    assert hashes(uncached) == hashes(missed) == hashes(hit)
    assert [path.suffix for path in files if path.is_file()] == [".zst"]
    call = bundled("UniswapV2Pair").call("getReserves")
    pair = places["uniswap_v2.pair"]
    assert asked(hit, pair, call) == asked(missed, pair, call) == asked(uncached, pair, call)
    first, again = missed.get_block(998), hit.get_block(998)
    assert first is not None
    assert again is not None
    assert (first.transactions, first.receipts) == (again.transactions, again.receipts)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "folder"])
def test_a_broken_cache_is_built_anew(tmp_path: Path, harm: str) -> None:
    """A cache file that is torn, altered, empty or no file at all changes nothing."""
    spec = genesis(CONFIG)
    expected, _ = start(spec, tmp_path)
    file = next(path for path in tmp_path.rglob("*.zst"))
    content = file.read_bytes()
    file.unlink()
    if harm == "folder":
        file.mkdir()
    else:
        broken = {"cut": content[:-9], "flip": content[:50] + bytes([content[50] ^ 1]) + content[51:], "empty": b""}
        file.write_bytes(broken[harm])

    again, _ = start(spec, tmp_path)

    assert hashes(again) == hashes(expected)
    if harm != "folder":
        assert file.read_bytes() == content


def test_the_cache_is_keyed_by_all_it_depends_on(tmp_path: Path) -> None:
    """Another fork, another reserve and another lock file each have their own cached state; another account has not."""
    spec = genesis(CONFIG)
    pool = PoolSpec("weth", "token", 5 * ETHER, 7 * ETHER)
    start(spec, tmp_path)

    start(replace(spec, accounts=()), tmp_path)
    assert len(list(tmp_path.rglob("*.zst"))) == 1
    start(replace(spec, config=replace(CONFIG, fork="shanghai")), tmp_path)
    start(replace(spec, venues=(VenueSpec("uniswap_v2", (pool,)),)), tmp_path)
    start(spec, tmp_path, lock="other")

    assert len(list(tmp_path.rglob("*.zst"))) == 4


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"WINDTUNNEL_CACHE": "/w", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/w"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/windtunnel"),
        ({"HOME": "/h"}, "/h/.cache/windtunnel"),
    ],
)
def test_the_cache_lies_where_the_environment_says(environ: dict[str, str], folder: str) -> None:
    """WINDTUNNEL_CACHE goes before XDG_CACHE_HOME, that before the home folder."""
    assert cache_folder(environ) == Path(folder)


def test_users_contracts_are_deployed_and_called() -> None:
    """A user's contracts stand where `addresses` said, after their calls, deployed by whom the scenario names."""
    owner = FundedAccount("owner", trader(0), 10 * ETHER, {"mine": 5})
    token = bundled("ERC20Token")
    spec = GenesisSpec(
        CONFIG,
        accounts=(owner,),
        contracts=(
            ContractSpec(
                "mine", token, ("Mine", "MINE", 6), sender="owner",
                calls=(CallSpec("mint", ("0x" + "77" * 20, 1_000), sender="owner"),),
            ),
            ContractSpec("fixed", token, ("Fixed", "FIX", 0), at=b"\x99" * 20),
            ContractSpec("second", token, ("Second", "SEC", 0)),
        ),
    )  # fmt: skip

    chain, places = start(spec)

    assert places == addresses(spec)
    assert places["fixed"] == b"\x99" * 20
    assert all(chain.state(chain.head).code(places[name]) for name in ("mine", "fixed", "second"))
    assert int.from_bytes(asked(chain, places["mine"], token.call("balanceOf", (b"\x77" * 20,))), "big") == 1_000
    assert int.from_bytes(asked(chain, places["mine"], token.call("balanceOf", (trader(0).address,))), "big") == 5
    assert int.from_bytes(asked(chain, places["mine"], token.call("totalSupply")), "big") == 1_005
    assert asked(chain, places["mine"], token.call("minter"))[12:] == trader(0).address
    assert chain.state(chain.head).nonce(trader(0).address) == 2


def test_what_fails_before_the_start_is_the_scenarios_mistake() -> None:
    """A constructor or a call that fails, and a token that cannot be dealt, say which contract it was."""
    failing = Artifact("Failing", (), bytes.fromhex("5f5ffd"), b"")
    odd = Artifact("Odd", (), bytes.fromhex("600480600b5f395ff35f5ff3"), b"")
    token = ContractSpec("t", bundled("ERC20Token"), ("T", "T", 0), calls=(CallSpec("transfer", (b"\x01" * 20, 1)),))
    rich = FundedAccount("rich", trader(0), 0, {"odd": 1})

    with pytest.raises(ScenarioError, match="contract bad: execution reverted"):
        start(GenesisSpec(CONFIG, contracts=(ContractSpec("bad", failing),)))
    with pytest.raises(ScenarioError, match="contract t: transfer: execution reverted"):
        start(GenesisSpec(CONFIG, contracts=(token,)))
    with pytest.raises(ScenarioError, match=r"token odd at .*: its balances are in none of the first 64 slots"):
        start(GenesisSpec(CONFIG, contracts=(ContractSpec("odd", odd),), accounts=(rich,)))
    with pytest.raises(ScenarioError, match="no token 'gold'"):
        start(GenesisSpec(CONFIG, accounts=(replace(rich, tokens={"gold": 1}),)))


def test_tokens_may_be_many() -> None:
    """Pools between two tokens of ours, and several pools of a venue, stand with their reserves."""
    pools = (PoolSpec("weth", "gold", ETHER, 5 * ETHER), PoolSpec("gold", "iron", 7 * ETHER, 9 * ETHER))
    spec = GenesisSpec(
        CONFIG, tokens=(TokenSpec("gold", "GLD"), TokenSpec("iron", "IRN", 6)), venues=(VenueSpec("v", pools),)
    )

    chain, places = start(spec)

    assert places["v.pair"] == places["v.pair.weth.gold"] != places["v.pair.gold.iron"]
    reserves = asked(chain, places["v.pair.gold.iron"], bundled("UniswapV2Pair").call("getReserves"))
    assert {int.from_bytes(reserves[:32], "big"), int.from_bytes(reserves[32:64], "big")} == {7 * ETHER, 9 * ETHER}
