"""The whole bot against a real node: Anvil, with real contracts."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from bot import __main__ as command_line
from bot import app, config
from bot.errors import ConfigError, Disconnected
from tests.bot.anvil import BOT, BOT_KEY, DEPLOYER, ETHER, PATIENCE_S, ROOT, Ground, call, running, until
from tests.bot.line import Line, eventually, laid


class Flight:
    """A bot in a process of its own, and what it logged so far."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self.process = process
        self._output = output

    def events(self, name: str) -> list[dict[str, Any]]:
        # Whole lines only; a library's deprecation warning is none of ours.
        lines = [line for line in self._output.read_text().splitlines(keepends=True) if line.startswith("{")]
        lines = [line for line in lines if line.endswith("\n")]
        return [event for event in map(json.loads, lines) if event.get("event") == name]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = until(
            lambda: found if len(found := self.events(name)) >= count else None, f"{name}:\n{self._output.read_text()}"
        )
        return events

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    @property
    def output(self) -> str:
        return self._output.read_text()


@contextmanager
def flying(tmp_path: Path, environment: dict[str, str], *arguments: str) -> Iterator[Flight]:
    output = tmp_path / "bot.log"
    command = [sys.executable, "-X", "dev", "-m", "bot", *arguments]
    # The stock interpreter's own warnings (resources never closed) become visible with `-X dev`.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with output.open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=inherited | environment, stdout=log, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield Flight(process, output)
        finally:
            process.kill()
            process.wait()


def test_it_captures_an_arbitrage_and_stops_cleanly(ground: Ground, tmp_path: Path) -> None:
    """A price moved on one venue is traded back at the quoted profit, and SIGTERM ends with 0 and nothing left open."""
    with flying(tmp_path, ground.environment()) as flight:
        flight.wait_for("view.synced")
        ground.buy_token(0, 5 * ETHER)
        included = flight.wait_for("tx.included")[0]
        ground.buy_token(1, 5 * ETHER)
        flight.wait_for("tx.included", 2)
        code = flight.stop()

    plan = flight.events("plan")[0]
    assert included["outcome"] == "succeeded"
    assert included["gross_wei"] == plan["gross_wei"] > 0
    assert ground.weth_of(BOT) == sum(event["gross_wei"] for event in flight.events("tx.included"))
    assert code == 0
    assert flight.events("bot.stopped")
    assert not re.search("ResourceWarning|never awaited|never retrieved|Traceback", flight.output)
    assert BOT_KEY.removeprefix("0x") not in flight.output


def test_it_settles_before_it_stops(tmp_path: Path, ground: Ground) -> None:
    """With a trade waiting in the mempool, Ctrl-C cancels it under the same nonce and sends no new one."""
    with flying(tmp_path, ground.environment()) as flight:
        flight.wait_for("view.synced")
        ground.buy_token(0, 5 * ETHER)
        flight.wait_for("tx.included")
        ground.node.ask("evm_setAutomine", False)
        ground.node.ask("anvil_dropAllTransactions")
        _whale_moves_price(ground)
        flight.wait_for("tx.sent", 2)
        flight.process.send_signal(signal.SIGINT)
        flight.wait_for("tx.sent", 3)
        ground.node.ask("evm_mine")
        code = flight.process.wait(PATIENCE_S)

    sent = flight.events("tx.sent")
    assert [event["kind"] for event in sent] == ["trade", "trade", "cancel"]
    assert sent[1]["nonce"] == sent[2]["nonce"]
    assert flight.events("tx.included")[-1]["outcome"] == "cancelled"
    assert code == 0
    assert not flight.events("stop.unsettled")


def _whale_moves_price(ground: Ground) -> None:
    """Move a price with blocks made by hand, so that the bot's answer stays in the mempool."""
    node, weth_in = ground.node, 5 * ETHER
    weth_reserve, token_reserve = ground.reserves(1)
    out = token_reserve * weth_in * 997 // (weth_reserve * 1000 + weth_in * 997)
    outs = (0, out) if ground.weth.lower() < ground.token.lower() else (out, 0)
    for to, data in (
        (ground.weth, call("transfer(address,uint256)", ground.pairs[1], weth_in)),
        (ground.pairs[1], call("swap(uint256,uint256,address,bytes)", *outs, DEPLOYER, b"")),
    ):
        node.ask("eth_sendTransaction", {"from": DEPLOYER, "to": to, "data": "0x" + data.hex(), "gas": hex(10**6)})
    node.ask("evm_mine")


@asynccontextmanager
async def aboard(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, **changes: str
) -> AsyncIterator[tuple[Line, Callable[[], int]]]:
    """Fly the bot on this loop, over a line that can be cut; gives the line and the bot's earnings."""
    async with laid(ground.node) as line:
        urls = {"NODE_HTTP": line.http, "NODE_WS": line.ws}
        for name, value in ground.environment(**urls | changes).items():
            monkeypatch.setenv(name, value)
        before = asyncio.all_tasks()
        task = asyncio.create_task(app.fly(config.load()))
        await eventually(lambda: line.requests["eth_call"] >= 5 or task.done(), "the view's start")
        try:
            yield line, lambda: ground.weth_of(BOT)
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                await task
        left = [each for each in asyncio.all_tasks() - before if not _of_the_line(each)]
        assert not left, f"tasks left behind: {left}"


def _is_on_chain(ground: Ground, tx_hash: str) -> bool:
    return ground.node.ask("eth_getTransactionReceipt", tx_hash) is not None


def _of_the_line(task: asyncio.Task[Any]) -> bool:
    coroutine = task.get_coro()
    assert isinstance(coroutine, types.CoroutineType)
    return coroutine.cr_code.co_filename.endswith(("tests/bot/line.py", "web_protocol.py"))


def fly(test: Any) -> None:
    asyncio.run(test, debug=False)


def test_a_cut_line_costs_no_event(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens while the WebSocket is down is read from the chain when it is up again, and traded."""

    async def flight() -> None:
        async with aboard(ground, monkeypatch) as (line, earned):
            await asyncio.to_thread(ground.buy_token, 0, 5 * ETHER)
            await eventually(lambda: earned() > 0, "the first profit")
            first = earned()
            line.cut()
            await asyncio.to_thread(ground.buy_token, 1, 5 * ETHER)
            await eventually(lambda: earned() > first, "a profit after the cut")
            assert line.connections == 2

    fly(flight())


def test_a_stray_error_frame_does_not_end_it(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error without id kills web3.py's listener; the feed notices and connects anew."""

    async def flight() -> None:
        async with aboard(ground, monkeypatch) as (line, earned):
            await line.say('{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"rate limited"}}')
            await eventually(lambda: line.connections == 2, "a second connection")
            await asyncio.to_thread(ground.buy_token, 0, 5 * ETHER)
            assert await eventually(lambda: earned() > 0, "a profit")

    fly(flight())


@pytest.mark.parametrize("frame", ["not json", "[]", '{"method":"eth_subscription"}', "7"])
def test_a_broken_frame_does_not_end_it(ground: Ground, monkeypatch: pytest.MonkeyPatch, frame: str) -> None:
    """Whatever a node says, the bot trades on."""

    async def flight() -> None:
        async with aboard(ground, monkeypatch) as (line, earned):
            await line.say(frame)
            await asyncio.to_thread(ground.buy_token, 0, 5 * ETHER)
            assert await eventually(lambda: earned() > 0, "a profit")

    fly(flight())


def test_a_reorg_is_followed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a reorg that undid a trade the bot trades on, and what it booked is what it owns."""

    async def flight() -> None:
        async with aboard(ground, monkeypatch, CONFIRMATIONS="50") as (_, earned):
            await asyncio.to_thread(ground.buy_token, 0, 5 * ETHER)
            await eventually(lambda: earned() > 0, "the first profit")
            await asyncio.to_thread(ground.node.ask, "anvil_reorg", 2, [])
            await asyncio.to_thread(ground.node.ask, "evm_mine")
            undone = await asyncio.to_thread(earned)
            await asyncio.to_thread(ground.buy_token, 1, 20 * ETHER)
            await eventually(lambda: earned() > undone, "a profit after the reorg")
            await eventually(lambda: len(booked()) >= 2, "the receipts")

    def booked() -> dict[str, int]:
        orphaned = [event["tx"] for event in events if event.get("event_name") == "orphaned"]
        last = {event["tx"]: event["gross_wei"] for event in events if event["event"] == "tx.included"}
        return {tx: gross_wei for tx, gross_wei in last.items() if _is_on_chain(ground, tx) or tx in orphaned}

    with structlog.testing.capture_logs() as events:
        fly(flight())

    assert any(event["event"] == "reorg" and event["depth"] == 2 for event in events)
    assert sum(booked().values()) == ground.weth_of(BOT)


def test_accepted_and_not_answered_is_sent_once(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that the node took before the line broke is not sent under a second nonce."""

    async def flight() -> None:
        async with aboard(ground, monkeypatch) as (line, earned):
            refused = []

            def lose_the_answer(request: dict[str, Any]) -> Any:
                if request["method"] == "eth_sendRawTransaction" and not refused:
                    refused.append(ground.node.ask("eth_sendRawTransaction", *request["params"]))
                    return aiohttp.web.Response(status=502, text="bad gateway")
                return None

            line.answer = lose_the_answer
            await asyncio.to_thread(ground.buy_token, 0, 5 * ETHER)
            await eventually(lambda: earned() > 0, "the profit")
            await asyncio.to_thread(ground.buy_token, 1, 5 * ETHER)
            await eventually(lambda: line.requests["eth_sendRawTransaction"] >= 2, "the second trade")

    fly(flight())
    count = int(ground.node.ask("eth_getTransactionCount", BOT, "latest"), 16)
    assert count == 2


def test_a_wrong_configuration_is_refused_at_the_start(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another chain, no executor, somebody else's executor, no pair: each ends the start and says what to mend."""
    artifact = ROOT / "build" / "contracts" / "Executor.json"
    other = ground.node.create(artifact, ["address", "address"], [DEPLOYER, ground.weth])
    cases = {
        "serves chain 31337, CHAIN_ID is 1": {"CHAIN_ID": "1"},
        "--deploy": {"EXECUTOR": ""},
        "obeys": {"EXECUTOR": other},
        "does not answer OWNER": {"EXECUTOR": ground.weth},
        "does not answer getPair": {"FACTORY_B": ground.executor},
        "has no pair of WETH and TOKEN": {"TOKEN": ground.executor},
    }

    for text, changes in cases.items():
        for name, value in ground.environment(**changes).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(ConfigError, match=re.escape(text)):
            asyncio.run(app.fly(config.load()))


def test_it_deploys_its_executor(ground: Ground, tmp_path: Path) -> None:
    """With a file of settings and --deploy it prints the address of an executor that obeys the bot's key."""
    file = tmp_path / "bot.toml"
    settings = ground.environment(EXECUTOR="")
    key = settings.pop("BOT_KEY")
    file.write_text("".join(f'{name.lower()} = "{value}"\n' for name, value in settings.items()))

    with flying(tmp_path, {"BOT_KEY": key}, "--config", str(file), "--deploy") as flight:
        code = flight.process.wait(PATIENCE_S)

    assert code == 0
    owner = ground.node.call(flight.output.split()[-1], call("OWNER()"))
    assert owner[12:].hex() == BOT.lower().removeprefix("0x")


def test_a_dry_run_sends_nothing(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a dry run plans are made and simulated, and none is sent."""

    async def flight() -> None:
        async with aboard(ground, monkeypatch, DRY_RUN="true") as (line, _):
            await asyncio.to_thread(ground.buy_token, 0, 5 * ETHER)
            await eventually(lambda: any(event["event"] == "plan" for event in events), "a plan")
            assert not line.requests["eth_sendRawTransaction"]

    with structlog.testing.capture_logs() as events:
        fly(flight())

    assert {event["refused"] for event in events if event["event"] == "plan"} == {"dry_run"}


def test_a_key_on_the_command_line_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A key given as an argument ends with a warning that does not repeat it."""
    code = command_line.main(["--bot-key", BOT_KEY])

    printed = capsys.readouterr()
    assert code == 2
    assert "BOT_KEY" in printed.err
    assert BOT_KEY.removeprefix("0x") not in printed.out + printed.err


def test_a_dead_node_is_waited_for_and_then_given_up(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody listening the start is tried as often as it is told, and ends with the reason."""
    with running() as node:
        dead = {"NODE_HTTP": node.http, "NODE_WS": node.ws, "START_ATTEMPTS_MAX": "2"}
    for name, value in ground.environment(**dead).items():
        monkeypatch.setenv(name, value)

    with structlog.testing.capture_logs() as events, pytest.raises(Disconnected, match="Cannot connect"):
        asyncio.run(app.fly(config.load()))

    assert sum(event["event"] == "start.waiting" for event in events) == 1
