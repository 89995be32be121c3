"""`${...}` names what is there, in texts of the scenario and in the files rendered from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario import Scenario, references

Write = Callable[..., Path]
Loaded = Callable[..., Scenario]
Refused = Callable[..., str]

WORLD = """\
duration: 60s
nodes: {a: {}}
accounts: {bot: {}}
contracts: {token: {kind: erc20}}
market: {venues: {v2: {kind: uniswap_v2, pools: [{reserves: {weth: 1 ether, token: 1 ether}}]}}}
"""


def test_every_name_of_the_interface_is_known(loaded: Loaded) -> None:
    """Nodes, accounts, contracts, venues and the chain's id can be referred to; WETH9 stands on every chain."""
    scenario = loaded(WORLD.removeprefix("duration: 60s\n"))

    assert references.names(scenario) == {
        "nodes.a.http", "nodes.a.ws", "nodes.a.host", "accounts.bot.key", "accounts.bot.address", "chain.id",
        "contracts.weth", "contracts.multicall3", "contracts.create2_deployer", "contracts.token",
        "contracts.v2.factory", "contracts.v2.router", "contracts.v2.pair",
    }  # fmt: skip


def test_nodes_have_the_urls_of_the_interface(loaded: Loaded) -> None:
    """Node `a` is `http://node-a:8545` and `ws://node-a:8546`."""
    scenario = loaded("nodes: {a: {}}\nchain: {id: 5}\n")

    assert references.known_values(scenario) == {
        "nodes.a.host": "node-a",
        "nodes.a.http": "http://node-a:8545",
        "nodes.a.ws": "ws://node-a:8546",
        "chain.id": "5",
    }


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("${x}", "1"),
        ("a${x}b${y}", "a1b$$"),
        ("$${x}", "${x}"),
        ("$$$${x}", "$${x}"),
        ("$$${x}", "$1"),
        ("$x $", "$x $"),
        ("", ""),
    ],
)
def test_two_dollars_are_one(template: str, expected: str) -> None:
    """A value is put in as it is, once; `$$` is `$`; a lone `$` stays."""
    assert references.expand(template, {"x": "1", "y": "$$"}) == expected


@given(st.text())
def test_an_escaped_text_stays_itself(text: str) -> None:
    """Every text can be written so that it is expanded to itself."""
    escaped = text.replace("$", "$$")

    assert not list(references.check(escaped, set()))
    assert references.expand(escaped, {}) == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('env: {A: "x ${nodes.b.ws}"}', "${nodes.b.ws} names nothing; did you mean 'nodes.a.ws'?"),
        ("env: {A: '${account.bot.key}'}", "did you mean 'accounts.bot.key'?"),
        ("env: {A: '${HOME}'}", "there are ${nodes.N.http}"),
        ("args: ['--key=${accounts.bot.keys}']", "did you mean 'accounts.bot.key'?"),
        ("args: ['${contracts.v2}']", "contracts.v2.factory, contracts.v2.pair, contracts.v2.router"),
        ("args: ['${chain.id']", "'${' is not closed"),
    ],
)
def test_an_unknown_name_is_told_with_those_there_are(refused: Refused, line: str, message: str) -> None:
    """The place is that of the reference itself, inside its text."""
    bot = f"bot: {{script: fly.py, {line}}}"

    first = refused(f"{WORLD}{bot}\n").splitlines()[0]

    assert message in first
    assert first.startswith(f"s.yaml:6:{bot.index('${') + 1}:")


def test_arguments_of_contracts_are_checked_too(refused: Refused) -> None:
    """Constructor arguments and calls may refer to what is there, in lists as well."""
    message = refused(
        WORLD.replace(
            "{token: {kind: erc20}}", "{token: {kind: erc20}, x: {artifact: fly.py, args: [1, ['${contracts.wet}']]}}"
        )
        + "bot: {script: fly.py}\n"
    )

    assert "contracts.x.args[1][0]: ${contracts.wet} names nothing; did you mean 'contracts.weth'?" in message


def test_templates_are_checked_where_they_stand(write: Write, refused: Refused, tmp_path: Path) -> None:
    """A rendered file is checked at load time; the place is the template's own line and column."""
    write('[node]\nurl = "${nodes.a.ws}"\nkey = "${accounts.bto.key}"\n', "config.toml")

    message = refused(WORLD + "bot: {script: fly.py, files: {etc/config.toml: config.toml}}\n")

    place, told = f"{tmp_path}/config.toml:3:8: ", "${accounts.bto.key} names nothing; did you mean 'accounts.bot.key'?"
    assert message.splitlines() == [
        f"{place}{told} there are accounts.bot.address, accounts.bot.key",
        '  key = "${accounts.bto.key}"',
        "         ^",
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("{../x: fly.py}", "'../x' must name a file inside the bot's working directory"),
        ("{/etc/x: fly.py}", "must name a file inside"),
        ("{x: no.toml}", "no.toml does not exist"),
    ],
)
def test_a_file_outside_or_missing_is_refused(refused: Refused, files: str, message: str) -> None:
    """A bot's files lie in its working directory and come from files that exist."""
    assert message in refused(WORLD + f"bot: {{script: fly.py, files: {files}}}\n")
