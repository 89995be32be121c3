"""A real node and real contracts for the bot to meet: Anvil, Uniswap V2 twice, WETH9, a token, the executor."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "node_modules" / ".bin" / "anvil"
ETHER = 10**18
# Anvil's own first accounts, unlocked and rich.
DEPLOYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOT_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
BOT = Account.from_key(BOT_KEY).address
PATIENCE_S = 30.0
POLL_S = 0.02


class Node:
    """A running Anvil, asked over plain HTTP."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.http = f"http://127.0.0.1:{port}"
        self.ws = f"ws://127.0.0.1:{port}"

    def ask(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.http, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer = json.loads(response.read())
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def send(self, sender: str, to: str | None, data: bytes, value: int = 0) -> dict[str, Any]:
        fields = {"from": sender, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(8_000_000)}
        if to is not None:
            fields["to"] = to
        tx_hash = self.ask("eth_sendTransaction", fields)
        receipt: dict[str, Any] = until(lambda: self.ask("eth_getTransactionReceipt", tx_hash), f"receipt of {tx_hash}")
        assert receipt["status"] == "0x1", f"{tx_hash} reverted"
        return receipt

    def call(self, to: str, data: bytes, sender: str = DEPLOYER) -> bytes:
        answer = self.ask("eth_call", {"from": sender, "to": to, "data": "0x" + data.hex()}, "latest")
        return bytes.fromhex(answer[2:])

    def create(self, artifact: Path, types: list[str], values: list[Any]) -> str:
        code = bytes.fromhex(json.loads(artifact.read_text())["bytecode"]["object"].removeprefix("0x"))
        address: str = self.send(DEPLOYER, None, code + encode(types, values))["contractAddress"]
        return address


@dataclass(frozen=True)
class Ground:
    """Two venues with the same liquidity, and an executor that obeys the bot."""

    node: Node
    weth: str
    token: str
    factories: tuple[str, str]
    pairs: tuple[str, str]
    executor: str

    def environment(self, **changes: str) -> dict[str, str]:
        return {
            "NODE_HTTP": self.node.http,
            "NODE_WS": self.node.ws,
            "BOT_KEY": BOT_KEY,
            "CHAIN_ID": "31337",
            "WETH": self.weth,
            "TOKEN": self.token,
            "FACTORY_A": self.factories[0],
            "FACTORY_B": self.factories[1],
            "EXECUTOR": self.executor,
            "HEAD_AGE_MAX_S": "600",
            "FEED_SILENCE_MAX_S": "600",
        } | changes

    def weth_of(self, account: str) -> int:
        return int.from_bytes(self.node.call(self.weth, call("balanceOf(address)", account)), "big")

    def reserves(self, pair: int) -> tuple[int, int]:
        """Return a pair's reserves of WETH and of the token."""
        answer = self.node.call(self.pairs[pair], call("getReserves()"))
        first, second = int.from_bytes(answer[:32], "big"), int.from_bytes(answer[32:64], "big")
        return (first, second) if self.weth.lower() < self.token.lower() else (second, first)

    def buy_token(self, pair: int, weth_in: int) -> None:
        """Move a pair's price: spend WETH on it, as any trader would."""
        weth_reserve, token_reserve = self.reserves(pair)
        out = token_reserve * weth_in * 997 // (weth_reserve * 1000 + weth_in * 997)
        outs = (0, out) if self.weth.lower() < self.token.lower() else (out, 0)
        self.node.send(DEPLOYER, self.weth, call("transfer(address,uint256)", self.pairs[pair], weth_in))
        swap = call("swap(uint256,uint256,address,bytes)", *outs, DEPLOYER, b"")
        self.node.send(DEPLOYER, self.pairs[pair], swap)


def call(signature: str, *values: Any) -> bytes:
    """Return the calldata of a call."""
    types = [kind for kind in signature.partition("(")[2].rstrip(")").split(",") if kind]
    return keccak(text=signature)[:4] + encode(types, values)


def until(ask: Callable[[], Any], what: str) -> Any:
    """Ask until the answer is true; a real node works in real time, which no test can make virtual."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        answer = ask()
        if answer:
            return answer
        threading.Event().wait(POLL_S)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


@contextmanager
def running(*options: str) -> Iterator[Node]:
    """Run an Anvil on a free port."""
    command = [str(BINARY), "--port", "0", *options]
    # A file and not a pipe: nobody would read the pipe, and Anvil would stop when it is full.
    with tempfile.NamedTemporaryFile("w") as output, subprocess.Popen(command, stdout=output) as process:
        try:
            yield Node(until(lambda: _port(Path(output.name)), "Anvil"))
        finally:
            process.kill()


def _port(output: Path) -> int | None:
    found = re.search(r"^Listening on .*:(\d+)\n", output.read_text(), re.MULTILINE)
    return int(found[1]) if found else None


def lay_out(node: Node) -> Ground:
    """Deploy the contracts and fund the pools: 100 WETH and 200,000 tokens each."""
    artifacts = ROOT / "sim" / "chain" / "artifacts"
    weth = node.create(artifacts / "WETH9.json", [], [])
    token = node.create(artifacts / "ERC20Token.json", ["string", "string", "uint8"], ["Token", "TOK", 18])
    node.send(DEPLOYER, weth, call("deposit()"), value=1000 * ETHER)
    node.send(DEPLOYER, token, call("mint(address,uint256)", DEPLOYER, 10**6 * ETHER))
    factories, pairs = [], []
    for _ in range(2):
        factory = node.create(artifacts / "UniswapV2Factory.json", ["address"], [DEPLOYER])
        node.send(DEPLOYER, factory, call("createPair(address,address)", weth, token))
        pair = "0x" + node.call(factory, call("getPair(address,address)", weth, token))[12:].hex()
        node.send(DEPLOYER, weth, call("transfer(address,uint256)", pair, 100 * ETHER))
        node.send(DEPLOYER, token, call("transfer(address,uint256)", pair, 200_000 * ETHER))
        node.send(DEPLOYER, pair, call("mint(address)", DEPLOYER))
        factories.append(factory)
        pairs.append(pair)
    executor = node.create(ROOT / "build" / "contracts" / "Executor.json", ["address", "address"], [BOT, weth])
    return Ground(node, weth, token, (factories[0], factories[1]), (pairs[0], pairs[1]), executor)
