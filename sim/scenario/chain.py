"""The chain of a scenario, the nodes and hosts that show it, who owns what on it and which contracts stand on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from sim.scenario.distribution import Constant
from sim.scenario.fields import (
    Address,
    Count,
    Duration,
    DurationDraw,
    EntryPoint,
    FilePath,
    Key,
    Listed,
    Name,
    Strict,
    Wei,
    positive,
)
from sim.scenario.source import Real, Whole
from sim.scenario.values import ValueRefused, show
from sim.units import GWEI, MS, S

FUNCTION_PATTERN = r"^[A-Za-z_]\w*(\([^\s]*\))?$"
DECIMALS = 18
# Contracts that stand on mainnet's own addresses in every scenario.
PREDEPLOYED = ("weth", "multicall3", "create2_deployer")


class Chain(Strict):
    """The chain itself."""

    id: Annotated[int, Count(1, 2**53 - 1)] = 1
    """The chain's id, as in `eth_chainId`."""
    slot: Annotated[Duration, AfterValidator(positive)] = 12 * S
    """Time between two blocks."""
    hardfork: Literal["london", "paris", "shanghai", "cancun", "prague"] = "prague"
    """The rules of the EVM."""
    gas_limit: Annotated[int, Count(5_000_000, 1_000_000_000)] = 30_000_000
    """Gas of a block."""
    base_fee: Annotated[Wei, AfterValidator(positive)] = 10 * GWEI
    """Base fee per gas of the start block."""
    epoch: Annotated[int, Count(1_438_269_973, 2**33)] = 1_767_225_600
    """Unix time, in seconds, at which the flight starts: the start block's timestamp."""
    start_block: Annotated[int, Count(0, 2**40)] = 23_000_000
    """Number of the start block."""
    safe_depth: Annotated[int, Count(1, 10_000)] = 32
    """Blocks between the head and the safe head."""
    finalized_depth: Annotated[int, Count(1, 10_000)] = 64
    """Blocks between the head and the finalized head; no reorg reaches it."""


class Node(Strict):
    """A JSON-RPC server: node `a` is the host `node-a`, HTTP on port 8545, WebSocket on port 8546."""

    keep_alive: Annotated[Duration, AfterValidator(positive)] = 120 * S
    """How long an HTTP connection may be idle until the node closes it."""
    latency: DurationDraw = Constant(20 * MS)
    """Round trip between the bot and the node, drawn for each packet."""
    site: Name | None = None
    """Where it stands, for links; its host's name unless given."""


class Host(Strict):
    """Another name the bot may dial; exactly one of node, app, refuse and blackhole."""

    node: Name | None = None
    """The node that answers, on any path, http(s) and ws(s)."""
    app: EntryPoint | None = None
    """An aiohttp or ASGI application of yours, on virtual time."""
    refuse: Literal[True] | None = None
    """Declared down: connections are refused."""
    blackhole: Literal[True] | None = None
    """Declared silent: nothing that is sent there is ever answered."""
    latency: DurationDraw | None = None
    """Round trip between the bot and the host; a node's own unless given."""
    site: Name | None = None
    """Where it stands, for links; its node's site or its own name unless given."""


class Account(Strict):
    """Somebody with a key on the chain."""

    balance: Wei = 0
    """Ether at the start block."""
    tokens: Mapping[str, Wei] = {}
    """Tokens at the start block, by contract name or symbol; `1 ether` is 10**18 of the smallest unit."""
    key: Key | None = None
    """Its private key; drawn from the seed unless given."""


def _argument(raw: object) -> Any:
    """Return a constructor's or a call's argument: texts (templates), whole numbers, truths, and lists of them."""
    if isinstance(raw, list | tuple):
        return tuple(_argument(item) for item in raw)
    if isinstance(raw, Whole):
        return raw.text if raw.text.startswith("0x") else int(raw)
    if isinstance(raw, Real):
        raise ValueRefused(f"{raw.text} is no value of the EVM; write a whole number, or an amount as in '1.5 ether'")
    if isinstance(raw, bool | int):
        return raw
    if isinstance(raw, str):
        return str(raw)
    raise ValueRefused(f"expected a text, a whole number, true, false or a list of these, found {show(raw)}")


_ARGUMENT_SCHEMA = {"type": ["string", "integer", "boolean", "array"]}
Argument = Annotated[Any, PlainValidator(_argument), WithJsonSchema(_ARGUMENT_SCHEMA)]


class Call(Strict):
    """A transaction sent to a contract before the start block."""

    function: Annotated[str, Field(pattern=FUNCTION_PATTERN)]
    """The function: its name, or its signature where the name is overloaded, as in `set(uint256)`."""
    args: Listed[Argument] = ()
    """Its arguments; references are expanded."""
    sender: Name | None = Field(default=None, alias="from")
    """The account that sends it; the world's own unless given."""
    value: Wei = 0
    """Ether sent along."""


class Contract(Strict):
    """A contract on the chain: one of ours (kind), one of yours (artifact), or one that is there (at)."""

    model_config = ConfigDict(serialize_by_alias=True)

    kind: Literal["weth9", "erc20", "multicall3", "create2_deployer"] | None = None
    """A contract that Windtunnel brings along."""
    artifact: FilePath | None = None
    """A contract's JSON as Foundry, Hardhat or Truffle writes it; it is deployed before the start block."""
    at: Address | None = None
    """Its address: alone, where it stands already; with artifact, where the runtime code is put."""
    symbol: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    """For erc20: the symbol; the contract's name in capitals unless given."""
    decimals: Annotated[int, Count(0, 36)] = DECIMALS
    """For erc20: the decimals."""
    args: Listed[Argument] = ()
    """For artifact: the constructor's arguments; references are expanded."""
    sender: Name | None = Field(default=None, alias="from")
    """For artifact: the account that deploys it; the world's own unless given."""
    calls: Listed[Call] = ()
    """Transactions sent to it, in order, before the start block."""


def standard(name: str) -> Contract:
    """Return the contract that stands on every chain under *name*, one of `PREDEPLOYED`."""
    return Contract(kind="weth9", symbol="WETH") if name == "weth" else Contract.model_validate({"kind": name})
