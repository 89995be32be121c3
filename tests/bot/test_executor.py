"""The executor contract on a real node: who may call it, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bot.anvil import BOT, DEPLOYER, ETHER, Ground, call

EXECUTE = "execute(address,address,address,uint256,uint256,uint256,uint256)"


def attempt(ground: Ground, sender: str, data: bytes) -> str:
    """Return the node's reason against a call of the executor, or nothing."""
    try:
        ground.node.call(ground.executor, data, sender)
    except AssertionError as error:
        return str(error)
    return ""


def trade(ground: Ground, **changes: Any) -> bytes:
    arguments = {"buy": ground.pairs[1], "sell": ground.pairs[0], "amount": 1000 * ETHER, "least": 0} | changes
    return call(
        EXECUTE, arguments["buy"], arguments["sell"], ground.token, arguments["amount"], 30, 30, arguments["least"]
    )


def test_only_its_owner_trades_and_withdraws(ground: Ground) -> None:
    """Anyone else is refused, whatever the profit."""
    ground.buy_token(0, 5 * ETHER)

    assert attempt(ground, BOT, trade(ground)) == ""
    assert "not the owner" in attempt(ground, DEPLOYER, trade(ground))
    assert "not the owner" in attempt(ground, DEPLOYER, call("withdraw(address,uint256)", ground.weth, 0))


@pytest.mark.parametrize("sender", [BOT, DEPLOYER])
def test_nobody_but_the_lender_calls_back(ground: Ground, sender: str) -> None:
    """The callback is closed while no flash swap runs, to the owner and to the pairs alike."""
    forged = call("uniswapV2Call(address,uint256,uint256,bytes)", ground.executor, 0, 1, bytes(192))

    assert "not the lender" in attempt(ground, sender, forged)
    assert "not the lender" in attempt(ground, ground.pairs[0], forged)


def test_it_refuses_to_earn_too_little(ground: Ground) -> None:
    """A profit below the minimum, and a loss, undo the trade."""
    assert "profit below minimum" in attempt(ground, BOT, trade(ground))
    ground.buy_token(0, 5 * ETHER)
    assert attempt(ground, BOT, trade(ground, least=1)) == ""
    assert "profit below minimum" in attempt(ground, BOT, trade(ground, least=100 * ETHER))


def test_it_refuses_one_pair_twice(ground: Ground) -> None:
    """A pair cannot lend and buy at once."""
    assert "one pair" in attempt(ground, BOT, trade(ground, sell=ground.pairs[1]))


def test_stray_tokens_come_back_to_the_owner(ground: Ground) -> None:
    """What somebody sends to the executor is not lost."""
    ground.node.send(DEPLOYER, ground.weth, call("transfer(address,uint256)", ground.executor, 7))

    ground.node.send(BOT, ground.executor, call("withdraw(address,uint256)", ground.weth, 7))

    assert ground.weth_of(BOT) == 7


def test_nothing_stays_in_it(ground: Ground) -> None:
    """After a trade the profit is the owner's, and the executor holds neither WETH nor token."""
    ground.buy_token(0, 5 * ETHER)

    ground.node.send(BOT, ground.executor, trade(ground))

    assert ground.weth_of(BOT) > 0
    assert ground.weth_of(ground.executor) == 0
    assert int.from_bytes(ground.node.call(ground.token, call("balanceOf(address)", ground.executor)), "big") == 0
