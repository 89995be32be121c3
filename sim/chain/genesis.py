"""The start state: real contracts deployed by real transactions, pools filled, accounts funded.

Four blocks lead up to the start block. The first holds what stands there by decree: the deployer's ether, WETH9 at
mainnet's address and the fork's system contracts. The second holds the transactions that deploy tokens and venues and
fill the pools. The third funds accounts by decree and runs the user's own deployments. The fourth is the start block,
without transactions; from there on only transactions change state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from eth.vm.forks.cancun.constants import BEACON_ROOTS_CONTRACT_CODE
from eth.vm.forks.prague.constants import HISTORY_STORAGE_CONTRACT_CODE

from sim.chain.artifacts import Artifact, bundled
from sim.chain.block import Block
from sim.chain.chain import ChainConfig
from sim.chain.deal import Dealer
from sim.chain.engine import FORKS, AccountOverride, BlockEnvironment, Engine
from sim.chain.keccak import keccak
from sim.chain.pyevm import BEACON_ROOTS, HISTORY_STORAGE, created_address
from sim.chain.setup import SetupBlock
from sim.chain.start_cache import StartCache, start_key
from sim.chain.state import Layer
from sim.chain.transaction import Account, decode
from sim.errors import ScenarioError

WETH = bytes.fromhex("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")
MULTICALL3 = bytes.fromhex("ca11bde05977b3631167028862be2a173976ca11")
CREATE2_DEPLOYER = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
DEPLOYER = Account.from_key(keccak(b"windtunnel deployer"))
DEPLOYER_WEI = 2**96
BLOCKS_BEFORE_START = 3
START_NUMBER_MIN = BLOCKS_BEFORE_START


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """An ERC-20 token of our own.

    Args:
        name: by which scenario and pools call it.
    """

    name: str
    symbol: str
    decimals: int = 18


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A pool of a venue; `weth` is WETH9, any other token one of `GenesisSpec.tokens`.

    Args:
        reserve_a: in the smallest unit of *token_a*; likewise *reserve_b*.
    """

    token_a: str
    token_b: str
    reserve_a: int
    reserve_b: int


@dataclass(frozen=True, slots=True)
class VenueSpec:
    """A deployment of Uniswap V2: a factory, a router and pools."""

    name: str
    pools: tuple[PoolSpec, ...]


@dataclass(frozen=True, slots=True)
class FundedAccount:
    """An account and what it owns at the start block.

    Args:
        tokens: balances in smallest units, by the token's name; contracts of the user's are named too.
    """

    label: str
    account: Account
    balance_wei: int = 0
    tokens: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallSpec:
    """A transaction to a contract before the start block.

    Args:
        function: name or signature.
        sender: label of a funded account; None for the world's deployer.
    """

    function: str
    args: tuple[Any, ...] = ()
    value_wei: int = 0
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """A contract of the user's.

    Args:
        artifact: None if the contract stands at *at* already.
        at: where it is to stand; None for where a transaction puts it.
        sender: label of a funded account that deploys it; None for the world's deployer.
    """

    name: str
    artifact: Artifact | None
    args: tuple[Any, ...] = ()
    calls: tuple[CallSpec, ...] = ()
    at: bytes | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class GenesisSpec:
    """Everything that is there at the start block."""

    config: ChainConfig
    tokens: tuple[TokenSpec, ...] = (TokenSpec("token", "TOKEN"),)
    venues: tuple[VenueSpec, ...] = ()
    accounts: tuple[FundedAccount, ...] = ()
    contracts: tuple[ContractSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """The start state.

    Args:
        blocks: those up to the start block, with the layer after each; what `Chain` starts from.
        addresses: of contracts by name: `weth`, `multicall3`, `create2_deployer`, each token and contract,
            `VENUE.factory`, `VENUE.router`, `VENUE.pair` (its first pool) and `VENUE.pair.A.B` for each pool.
    """

    blocks: tuple[tuple[Block, Layer], ...]
    addresses: Mapping[str, bytes]


def addresses(spec: GenesisSpec) -> dict[str, bytes]:
    """Return where every contract of *spec* will stand, without deploying any; arguments are not looked at."""
    found = {"weth": WETH, "multicall3": MULTICALL3, "create2_deployer": CREATE2_DEPLOYER}
    nonces: dict[str | None, int] = {None: 0, **{funded.label: 0 for funded in spec.accounts}}
    senders: dict[str | None, bytes] = {
        None: DEPLOYER.address,
        **{funded.label: funded.account.address for funded in spec.accounts},
    }
    for token in spec.tokens:
        found[token.name] = created_address(DEPLOYER.address, nonces[None])
        nonces[None] += 1
    for venue in spec.venues:
        for part in ("factory", "router"):
            found[f"{venue.name}.{part}"] = created_address(DEPLOYER.address, nonces[None])
            nonces[None] += 1
        for pool in venue.pools:
            pair = _pair(found[f"{venue.name}.factory"], found[pool.token_a], found[pool.token_b])
            found.setdefault(f"{venue.name}.pair", pair)
            found[f"{venue.name}.pair.{pool.token_a}.{pool.token_b}"] = pair
    nonces[None] += sum(1 for _ in _fill_pools(spec, found))
    for contract in spec.contracts:
        if contract.at is not None:
            found[contract.name] = contract.at
        else:
            found[contract.name] = created_address(senders[contract.sender], nonces[contract.sender])
            nonces[contract.sender] += 1
        for call in contract.calls:
            nonces[call.sender] += 1
    return found


def build_start(spec: GenesisSpec, engine: Engine, *, cache: Path | None = None, lock_hash: str = "") -> Start:
    """Return the start state of *spec*.

    Args:
        cache: a folder for what does not depend on the seed; None for no cache. A hit and a miss give the same state.
        lock_hash: of the locked dependencies, which the cached state depends on.

    Raises:
        ScenarioError: a deployment or a call fails, an argument does not fit, or a token cannot be dealt.
    """
    assert spec.config.start_number >= START_NUMBER_MIN, f"the start block's number is below {START_NUMBER_MIN}"
    places = addresses(spec)
    blocks = _world(spec, engine, places, StartCache(cache, start_key(_cached(spec), lock_hash)) if cache else None)
    blocks.append(_users(spec, engine, places, blocks[-1]))
    start = SetupBlock(spec.config, engine, 0, blocks[-1])
    ours = _base_tokens(spec)
    _deal_tokens(start, spec, engine, places, blocks[-1], [name for name in _held(spec) if name not in ours])
    blocks.append(start.seal())
    return Start(tuple(blocks), places)


def _base_tokens(spec: GenesisSpec) -> list[str]:
    return ["weth", *(token.name for token in spec.tokens)]


def _held(spec: GenesisSpec) -> list[str]:
    return sorted({name for funded in spec.accounts for name in funded.tokens})


# --- what does not depend on the seed, and is cached


def _cached(spec: GenesisSpec) -> list[object]:
    """Return all that the first two blocks depend on."""
    codes = [bundled(name).bytecode for name in ("WETH9", "ERC20Token", "UniswapV2Factory", "UniswapV2Router02")]
    return [spec.config, spec.tokens, spec.venues, codes, presigned("multicall3"), presigned("create2")]


def _world(
    spec: GenesisSpec, engine: Engine, places: Mapping[str, bytes], cache: StartCache | None
) -> list[tuple[Block, Layer]]:
    found = cache.load(engine.codes) if cache else None
    if found is not None:
        return found
    blocks = [_decreed(spec, engine)]
    blocks.append(_deployed(spec, engine, places, blocks[0]))
    if cache:
        cache.store(blocks, engine.codes)
    return blocks


def _decreed(spec: GenesisSpec, engine: Engine) -> tuple[Block, Layer]:
    block = SetupBlock(spec.config, engine, BLOCKS_BEFORE_START, None)
    block.set_account(DEPLOYER.address, AccountOverride(balance=DEPLOYER_WEI))
    for name in ("multicall3", "create2"):
        tx = decode(presigned(name))
        block.set_account(tx.sender, AccountOverride(balance=tx.cost))
    block.create_at(WETH, bundled("WETH9").creation(), DEPLOYER.address, "WETH9")
    since = FORKS.index(spec.config.fork)
    if since >= FORKS.index("cancun"):
        block.set_account(BEACON_ROOTS, AccountOverride(nonce=1, code=BEACON_ROOTS_CONTRACT_CODE))
    if since >= FORKS.index("prague"):
        block.set_account(HISTORY_STORAGE, AccountOverride(nonce=1, code=HISTORY_STORAGE_CONTRACT_CODE))
    return block.seal()


def _deployed(
    spec: GenesisSpec, engine: Engine, places: Mapping[str, bytes], parent: tuple[Block, Layer]
) -> tuple[Block, Layer]:
    block = SetupBlock(spec.config, engine, BLOCKS_BEFORE_START - 1, parent)
    block.send_raw(presigned("multicall3"), "Multicall3")
    block.send_raw(presigned("create2"), "the CREATE2 deployer")
    token_code = bundled("ERC20Token")
    for token in spec.tokens:
        code = token_code.creation((token.symbol, token.symbol, token.decimals))
        _deploy(block, DEPLOYER, code, places[token.name], f"token {token.name}")
    for venue in spec.venues:
        factory, router = places[f"{venue.name}.factory"], places[f"{venue.name}.router"]
        code = bundled("UniswapV2Factory").creation((DEPLOYER.address,))
        _deploy(block, DEPLOYER, code, factory, f"factory of {venue.name}")
        code = bundled("UniswapV2Router02").creation((factory, WETH))
        _deploy(block, DEPLOYER, code, router, f"router of {venue.name}")
    for to, data, value, what in _fill_pools(spec, places):
        block.send(DEPLOYER, to, data, value, what)
    return block.seal()


def _fill_pools(spec: GenesisSpec, places: Mapping[str, bytes]) -> Iterator[tuple[bytes, bytes, int, str]]:
    """Yield the deployer's calls that create each pool and give it its reserves: to, data, value, what."""
    factory, token, pair_code = bundled("UniswapV2Factory"), bundled("ERC20Token"), bundled("UniswapV2Pair")
    weth = bundled("WETH9")
    for venue in spec.venues:
        for pool in venue.pools:
            what = f"pool {pool.token_a}/{pool.token_b} of {venue.name}"
            token_a, token_b = places[pool.token_a], places[pool.token_b]
            pair = places[f"{venue.name}.pair.{pool.token_a}.{pool.token_b}"]
            yield places[f"{venue.name}.factory"], factory.call("createPair", (token_a, token_b)), 0, what
            for name, address, reserve in (
                (pool.token_a, token_a, pool.reserve_a),
                (pool.token_b, token_b, pool.reserve_b),
            ):
                if name == "weth":
                    yield WETH, weth.call("deposit"), reserve, what
                    yield WETH, weth.call("transfer", (pair, reserve)), 0, what
                else:
                    yield address, token.call("mint", (pair, reserve)), 0, what
            yield pair, pair_code.call("mint", (DEPLOYER.address,)), 0, what


def _pair(factory: bytes, token_a: bytes, token_b: bytes) -> bytes:
    """Return the address of a pair, as the router works it out.

    Source:
        UniswapV2Library.sol, `pairFor`.
    """
    salt = keccak(b"".join(sorted((token_a, token_b))))
    return keccak(b"\xff" + factory + salt + keccak(bundled("UniswapV2Pair").bytecode))[12:]


def presigned(name: str) -> bytes:
    """Return a pre-signed deployment transaction out of the package `eth-contract`, without importing it."""
    package = find_spec("eth_contract")
    assert package is not None, "eth-contract is not installed"
    assert package.submodule_search_locations, "eth-contract is no package"
    text = (Path(package.submodule_search_locations[0]) / "txs" / f"{name}.tx").read_text()
    return bytes.fromhex(text.strip().removeprefix("0x"))


def _deploy(block: SetupBlock, sender: Account, code: bytes, address: bytes, what: str) -> None:
    receipt = block.send(sender, None, code, 0, what)
    assert receipt.contract_address == address, f"{what} was planned at another address"


# --- what depends on the seed


def _users(
    spec: GenesisSpec, engine: Engine, places: Mapping[str, bytes], parent: tuple[Block, Layer]
) -> tuple[Block, Layer]:
    block = SetupBlock(spec.config, engine, 1, parent)
    for funded in spec.accounts:
        block.set_account(funded.account.address, AccountOverride(balance=funded.balance_wei))
    ours = _base_tokens(spec)
    _deal_tokens(block, spec, engine, places, parent, [name for name in _held(spec) if name in ours])
    senders: dict[str | None, Account] = {None: DEPLOYER, **{funded.label: funded.account for funded in spec.accounts}}
    for contract in spec.contracts:
        _user_contract(block, contract, places, senders)
    return block.seal()


def _user_contract(
    block: SetupBlock, contract: ContractSpec, places: Mapping[str, bytes], senders: Mapping[str | None, Account]
) -> None:
    what = f"contract {contract.name}"
    address, sender = places[contract.name], senders[contract.sender]
    if contract.artifact is None:
        if contract.calls:
            raise ScenarioError(f"{what}: calls need its artifact, which says how its functions are called")
        return
    code = contract.artifact.creation(contract.args)
    if contract.at is not None:
        block.create_at(address, code, sender.address, what)
    else:
        _deploy(block, sender, code, address, what)
    for call in contract.calls:
        data = contract.artifact.call(call.function, call.args)
        block.send(senders[call.sender], address, data, call.value_wei, f"{what}: {call.function}")


def _deal_tokens(
    block: SetupBlock, spec: GenesisSpec, engine: Engine, places: Mapping[str, bytes], parent: tuple[Block, Layer],
    names: Sequence[str],
) -> None:  # fmt: skip
    env = BlockEnvironment.of(parent[0].header, spec.config.chain_id, lambda number: b"")
    dealer = Dealer(engine, parent[1], env)
    for name in names:
        if name not in places:
            raise ScenarioError(f"no token {name!r}; there are {', '.join(sorted(places))}")
        balances = {funded.account.address: funded.tokens[name] for funded in spec.accounts if name in funded.tokens}
        for address, override in dealer.deal(places[name], name, balances).items():
            block.set_account(address, override)
