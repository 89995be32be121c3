"""Every mistake in a scenario file is told with file, line and column, the line, a caret and the mend."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.scenario import load

Write = Callable[..., Path]
Refused = Callable[..., str]

LEAST = "duration: 60s\nbot: {script: fly.py}\n"

# text, place of the first problem, part of its message
YAML_MISTAKES = {
    "tab": ("duration:\n\t60s\n", "2:1", "indent with spaces, not tabs"),
    "bracket": ("duration: [60s\n", "1:11", "a bracket or brace is not closed"),
    "quote": ('duration: "60s\n', "1:11", "a quote is not closed"),
    "colon": ("id: a: b\n", "1:6", "a text with ': ' in it needs quotes"),
    "at sign": ("id: @x\n", "1:5", "a text that begins with @ needs quotes"),
    "alias": ("id: *x\n", "1:5", "no anchor &x stands before this alias"),
    "own anchor": ("id: &a [*a]\n", "1:9", "the alias *a stands inside its own anchor"),
    "tag": ("id: !!python/name:os.system x\n", "1:5", "means nothing here"),
    "wrong tag": ("id: !!int x\n", "1:5", "'x' is not of the type int"),
    "merge key": ("<<: {id: x}\n", "1:1", "merge keys are YAML 1.1"),
    "map as key": ("? [a]\n: b\n", "1:3", "a key must be a text"),
    "control": ("id: \x01\n", "1:5", "U+0001 is not allowed"),
    "surrogate": ('id: "\\ud800"\n', "1:5", "half of a surrogate pair is no character"),
    "documents": ("id: x\n---\nid: y\n", "2:1", "a second document"),
    "version": ("%YAML 1.1\n---\nid: x\n", "2:1", "a scenario is YAML 1.2"),
    "deep": ("[" * 4000, "1:33", "nested deeper than 32 levels"),
    "list": ("- a\n", "1:1", "a scenario is a map of keys"),
    "scalar": ("duration\n", "1:1", "a scenario is a map of keys"),
    "empty": ("", "1:1", "the file holds nothing"),
    "comment only": ("# nothing\n", "1:1", "the file holds nothing"),
    "duplicate": ("duration: 60s\nid: x\nduration: 1s\n", "3:1", "duplicate key 'duration', first on line 1"),
    "duplicate below": ("bot: {env: {A: 1, A: 2}}\n", "1:19", "duplicate key 'A', first on line 1"),
}

VALUE_MISTAKES = {
    "unknown key": ("duraton: 5s\n", "3:1", "duraton: unknown key 'duraton'; did you mean 'duration'?"),
    "unknown key below": ("nodes: {a: {latncy: 1ms}}\n", "3:13", "did you mean 'latency'?"),
    "unknown key of a fault": ("faults: [{id: x, kind: reorg, at: 1s, dept: 1}]\n", "3:39", "did you mean 'depth'?"),
    "unknown key of a distribution": (
        "nodes: {a: {latency: {dist: uniform, low: 1ms, hihg: 2ms}}}\n",
        "3:48",
        "did you mean 'high'?",
    ),
    "no unit": ("chain: {slot: 12}\n", "3:15", "chain.slot: 12 has no unit; write a duration as in 60s"),
    "wrong unit": ("chain: {slot: 2 gwei}\n", "3:15", "'gwei' is not a unit of duration; units: ns us"),
    "misspelt unit": ("chain: {base_fee: 2 gwie}\n", "3:19", "did you mean 'gwei'?"),
    "unit inside": ("nodes: {a: {latency: {dist: normal, mean: 1, deviation: 1s}}}\n", "3:43", "1 has no unit"),
    "float as wei": ("accounts: {bot: {balance: 1e18}}\n", "3:27", "1e18 has no unit; write an amount as in 1.5 ether"),
    "clock time": ("chain: {slot: 12:30}\n", "3:15", "'12:30' is not a duration"),
    "no as number": ("chain: {id: no}\n", "3:13", "expected a whole number such as 30000000, found 'no'"),
    "outside": ("seed: 18446744073709551616\n", "3:7", "is outside 0..18446744073709551615"),
    "negative": ("seed: -1\n", "3:7", "-1 is outside"),
    "list for a map": ("nodes: [a]\n", "3:1", "nodes: expected a map, found a list"),
    "text for a list": ("thresholds: {a.b: count==0}\n", "3:19", "expected a list, found 'count==0'"),
    "number for a text": ("contracts: {t: {kind: erc20, symbol: 12}}\n", "3:38", "found 12; put it in quotes"),
    "empty list": ("thresholds: {a.b: []}\n", "3:14", "expected at least 1, found 0"),
    "name": ("nodes: {Node A: {}}\n", "3:9", "'Node A' is not a name"),
    "host": ('hosts: {"http://x/y": {node: a}}\n', "3:9", "is not a host name"),
    "kind of fault": ("faults: [{id: x, kind: reorgg, at: 1s}]\n", "3:24", "did you mean 'reorg'?"),
    "fault without kind": ("faults:\n  - {id: x, at: 1s}\n", "4:5", "faults[0]: kind is missing"),
    "fault without duration": (
        "faults:\n  - {id: x, kind: latency, at: 1s}\n",
        "4:5",
        "faults[0]: 'duration' is missing",
    ),
    "hardfork": ("chain: {hardfork: Cancun}\n", "3:19", "did you mean 'cancun'?"),
    "signal": ("chain: {}\nlimits: {rss: 2}\n", "4:15", "limits.rss: 2 has no unit; write a size as in 2 GiB"),
    "zero": ("limits: {wall: 0}\n", "3:16", "must be above 0"),
    "depth": ("faults: [{id: x, kind: reorg, at: 1s, depth: 65}]\n", "3:46", "65 is outside 1..64"),
    "address": ('contracts: {x: {at: "0x12"}}\n', "3:21", "an address has 40 hexadecimal digits after 0x, found 2"),
    "address without 0x": ("contracts: {x: {at: C02a}}\n", "3:21", "an address is written as 0x and 40 hexadecimal"),
    "key of zero": (f"accounts: {{x: {{key: 0x{'0' * 64}}}}}\n", "3:21", "outside 1..n-1 of secp256k1"),
    "masked key": ("accounts: {x: {key: '***'}}\n", "3:21", "stands for a key that a resolved scenario does not show"),
    "function": ("contracts: {x: {kind: weth9, calls: [{function: a b}]}}\n", "3:49", "'a b' is not a function"),
    "argument": ("contracts: {x: {artifact: fly.py, args: [1.5]}}\n", "3:42", "1.5 is no value of the EVM"),
    "share": ("market: {rivals: [{id: r, skill: 110%}]}\n", "3:34", "110% is outside 0%..100%"),
    "fraction of bps": ("market: {rivals: [{id: r, hedge_cost: 0.5 bps}]}\n", "3:39", "a whole number of bps"),
    "swaps": ("market: {flow: {swaps_per_slot: 501}}\n", "3:33", "501 is outside 0..500"),
    "bandwidth": ("links: [{between: [bot, '*'], bandwidth: 5 MB}]\n", "3:42", "'MB' is not a unit of bandwidth"),
    "loss of all": ("links: [{from: bot, to: '*', loss: 100%}]\n", "3:36", "must be below 100%; a fault of kind"),
    "one end": ("links: [{between: [bot], delay: 1ms}]\n", "3:10", "expected at least 2, found 1"),
    "size": (
        "market: {flow: {size: {dist: uniform, low: 0, high: 0}}}\n",
        "3:17",
        "must be above 0, or {dist: lognormal",
    ),
}

MARKET = """\
contracts: {t: {kind: erc20}}
market:
  venues:
    v: {kind: uniswap_v2, pools: [{reserves: {weth: 1 ether, t: 1 ether}}]}
  price:
    t: {start: 1 gwei}
"""

RELATION_MISTAKES = {
    "no ends": ("links: [{delay: 1ms}]\n", "3:9", "needs either between, as in [bot, node-a], or from and to"),
    "half an end": ("links: [{from: bot, delay: 1ms}]\n", "3:9", "needs to as well"),
    "unknown site": (
        "links: [{between: [bot, tokio], delay: 1ms}]\nnodes: {a: {site: tokyo}}\n",
        "3:25",
        "no site is named 'tokio'; did you mean 'tokyo'?",
    ),
    "a site and itself": ("links: [{between: [bot, bot], delay: 1ms}]\n", "3:10", "both ends are 'bot'"),
    "a link that says nothing": ("links: [{from: bot, to: '*'}]\n", "3:9", "says nothing; give one of delay, jitter"),
    "correlation of nothing": ("links: [{from: bot, to: '*', correlation: 5%}]\n", "3:30", "give jitter too"),
    "a fault of no host": ("faults: [{id: x, kind: half_open, at: 1s}]\n", "3:10", "needs exactly one of node, host"),
    "a partition of nothing": (
        "faults: [{id: x, kind: partition, at: 1s, duration: 1s}]\n",
        "3:10",
        "needs either between",
    ),
    "a change of nothing": (
        "faults: [{id: x, kind: degrade, at: 1s, duration: 1s, from: bot, to: '*'}]\n",
        "3:10",
        "changes nothing",
    ),
    "a name that leads nowhere": (
        "faults: [{id: x, kind: dns, at: 1s, host: h, to: hh}]\nhosts: {h: {refuse: true}}\n",
        "3:50",
        "no host is named 'hh'",
    ),
    "an answer and a host": (
        "faults: [{id: x, kind: dns, at: 1s, host: h, to: h, answer: timeout}]\nhosts: {h: {refuse: true}}\n",
        "3:10",
        "needs exactly one of answer, to",
    ),
    "a black hole somewhere": ("hosts: {h: {blackhole: true, site: x}}\n", "3:30", "a black hole stands at a site of"),
    "two forms of host": ("hosts: {x: {node: a, refuse: true}}\nnodes: {a: {}}\n", "3:9", "needs exactly one of node"),
    "host of a node": ("hosts: {node-a: {refuse: true}}\nnodes: {a: {}}\n", "3:9", "the host of node a already"),
    "unknown node": ("hosts: {x: {node: mian}}\nnodes: {main: {}}\n", "3:19", "'mian'; did you mean 'main'?"),
    "unknown token": ("accounts: {x: {tokens: {DAI: 1 ether}}}\n", "3:25", "no contract is named 'DAI'"),
    "same key": (
        f"accounts:\n  x: {{key: 0x{1:064x}}}\n  y: {{key: 0x{1:064x}}}\n",
        "5:12",
        "accounts x and y have the same key",
    ),
    "formless contract": ("contracts: {x: {}}\n", "3:13", "needs exactly one of kind, artifact, at; none is given"),
    "two forms of contract": (
        "contracts: {x: {kind: erc20, artifact: fly.py}}\n",
        "3:13",
        "kind and artifact are given",
    ),
    "no artifact": (
        "contracts: {x: {artifact: no.json}}\n",
        "3:27",
        "no.json does not exist; a relative path starts at",
    ),
    "folder as artifact": ("contracts: {x: {artifact: .}}\n", "3:27", "is a folder, not a file"),
    "stray args": ("contracts: {x: {kind: erc20, args: [1]}}\n", "3:30", "arguments go to a constructor"),
    "unknown sender": (
        "contracts: {x: {artifact: fly.py, from: al}}\naccounts: {alice: {}}\n",
        "3:41",
        "no account is",
    ),
    "same fault": (
        "faults: [{id: x, kind: reorg, at: 1s}, {id: x, kind: reorg, at: 2s}]\n",
        "3:45",
        "of faults[0] already",
    ),
    "late fault": ("faults: [{id: x, kind: reorg, at: 60s}]\n", "3:35", "1m is not before the end of the flight, 1m"),
    "timeless fault": ("faults: [{id: x, kind: reorg}]\n", "3:10", "needs exactly one of at, rate; none is given"),
    "fault on no node": ("faults: [{id: x, kind: disconnect, at: 1s, node: a}]\n", "3:50", "the scenario has no nodes"),
    "finalized": (
        "chain: {finalized_depth: 3}\nfaults: [{id: x, kind: reorg, at: 1s, depth: 4}]\n",
        "4:46",
        "would undo finalized blocks (3 below the head)",
    ),
    "venue": (
        MARKET.replace(" v:", " weth:"),
        "6:5",
        "a contract is named 'weth' too",
    ),
    "pool without ether": (
        MARKET.replace("weth: 1 ether", "multicall3: 1 ether"),
        "6:36",
        "one of the two tokens is the wrapped ether, weth",
    ),
    "nowhere to trade": ("market: {flow: {}}\n", "3:10", "has nowhere to trade; add market.venues"),
    "rival and account": (
        MARKET + "  rivals: [{id: x}]\naccounts: {x: {}}\n",
        "9:17",
        "'x' is the name of an account or rival already",
    ),
}


def place_and_message(message: str) -> tuple[str, str]:
    first = message.splitlines()[0]
    _, line, column, rest = first.split(":", 3)
    return f"{line}:{column}", rest.strip()


@pytest.mark.parametrize(("text", "place", "part"), YAML_MISTAKES.values(), ids=YAML_MISTAKES)
def test_yaml_that_is_broken_or_means_trouble_is_refused(refused: Refused, text: str, place: str, part: str) -> None:
    """Syntax errors, duplicate keys, tags, merge keys and bombs are told at their place."""
    at, message = place_and_message(refused(text))

    assert part in message
    assert at == place


@pytest.mark.parametrize(("text", "place", "part"), VALUE_MISTAKES.values(), ids=VALUE_MISTAKES)
def test_a_wrong_value_is_refused_at_its_place(refused: Refused, text: str, place: str, part: str) -> None:
    """A key or value that the model does not know is told where it stands, with the mend."""
    at, message = place_and_message(refused(LEAST + text))

    assert part in message
    assert at == place


@pytest.mark.parametrize(("text", "place", "part"), RELATION_MISTAKES.values(), ids=RELATION_MISTAKES)
def test_parts_that_contradict_each_other_are_refused(refused: Refused, text: str, place: str, part: str) -> None:
    """Names that name nothing, files that are not there and times that do not fit are told where they are used."""
    at, message = place_and_message(refused(LEAST + text))

    assert part in message
    assert at == place


def test_a_message_quotes_the_line_with_a_caret(refused: Refused) -> None:
    """The whole form: file, line, column, key, what was found, the mend; the line; a caret under the place."""
    message = refused("bot: {script: fly.py}\nduration: 60\n")

    assert message == (
        "s.yaml:2:11: duration: 60 has no unit; write a duration as in 60s (units: ns us µs μs ms s m h d)\n"
        "  duration: 60\n"
        "            ^"
    )


def test_all_problems_are_told_up_to_ten(refused: Refused) -> None:
    """One run tells what can be told, in the order of the file, and counts the rest."""
    keys = "".join(f"key{number}: 1\n" for number in range(13))

    message = refused(LEAST + keys)

    assert [line.split(":")[1] for line in message.splitlines() if line.startswith("s.yaml")] == [
        str(line) for line in range(3, 13)
    ]
    assert message.endswith("and 3 more")


def test_a_missing_key_is_told_at_the_map(refused: Refused) -> None:
    """What is missing has no place of its own."""
    assert "s.yaml:1:1: 'duration' is missing" in refused("bot: {script: fly.py}\n")
    assert "s.yaml:1:1: no bot; add bot.entry or bot.script, or give --bot" in refused("duration: 60s\n")


def test_an_alias_bomb_is_refused_in_no_time(refused: Refused) -> None:
    """Ten times ten times ten ... values are counted, not built."""
    rows = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"{c}: &{c} [{', '.join([f'*{p}'] * 10)}]" for p, c in zip("abcdefghi", "bcdefghij", strict=True)]

    assert "more than 50000 values once aliases are expanded" in refused("\n".join(rows))


def test_a_file_that_is_not_utf8_is_refused(refused: Refused) -> None:
    """The first byte that is not UTF-8 is named with its line and column."""
    assert refused(b"duration: 60s\nid: caf\xe9\n") == "s.yaml:2:8: not UTF-8 (byte 0xe9); save the file as UTF-8"


def test_a_file_that_cannot_be_read_is_refused(write: Write) -> None:
    """A missing file, a folder, one that is too large: each says which it is."""
    write(LEAST, "smoke.yaml")
    write("#" * (1 << 20) + "\n", "large.yaml")
    messages = {}

    for name in ("smok.yaml", ".", "large.yaml"):
        with pytest.raises(ScenarioError) as caught:
            load(name)
        messages[name] = str(caught.value)

    assert messages["smok.yaml"] == "smok.yaml: no such file; did you mean 'smoke.yaml'?"
    assert messages["."] == ".: is a folder, not a scenario file"
    assert "larger than 1048576 bytes" in messages["large.yaml"]


def test_a_file_without_permission_is_refused(write: Write) -> None:
    """The system's reason is passed on; root, who may read everything, is somebody else meanwhile."""
    file = write(LEAST)
    file.chmod(0)
    user = os.geteuid()

    try:
        if user == 0:
            file.parent.chmod(0o755)
            os.seteuid(65534)
        with pytest.raises(ScenarioError, match="cannot be read: Permission denied"):
            load("s.yaml")
    finally:
        os.seteuid(user)


def test_no_message_shows_a_private_key(refused: Refused) -> None:
    """A line that holds a key is quoted without it, the caret still in its place."""
    key = "5c0883a69102937d6231471b5dbb6204fe512961708279feb1be6ae5538da033"

    message = refused(LEAST + f"accounts: {{a: {{key: 0x{key}, balnce: 1 wei}}}}\n" + f"accunts: {{key: 0x{key}f}}\n")

    assert "balnce" in message
    assert key[:50] not in message


def test_a_long_line_is_shown_around_its_place(refused: Refused) -> None:
    """A line of thousands of characters does not fill the terminal, and the caret still points at the place."""
    entries = ", ".join(f"n{number}: {{latency: 1ms}}" for number in range(300))

    lines = refused(LEAST + f"nodes: {{{entries}, x: {{latency: 1}}}}\n").splitlines()

    assert len(lines[1]) <= 170
    assert lines[1][lines[2].index("^")] == "1"


def test_yaml_1_2_is_read_as_written(loaded: Callable[..., object]) -> None:
    """`no`, `12:30`, `1_000` and dates are text; an unquoted 0x address, numbers and truths keep their spelling."""
    scenario = loaded(
        "contracts: {x: {at: 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2}}\n"
        "accounts: {a: {key: 0x00000000000000000000000000000000000000000000000000000000000000ff}}\n",
        sets=("bot.env={A: no, B: 12:30, C: 1e18, D: 0x00ff, E: 1_000, F: 2026-01-01, G: true, H: 017, I: 1.50}",),
    )

    assert scenario.contracts["x"].at == "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"  # type: ignore[attr-defined]
    assert scenario.accounts["a"].key.value[-1] == 0xFF  # type: ignore[attr-defined]
    assert list(scenario.bot.env.values()) == [  # type: ignore[attr-defined]
        "no", "12:30", "1e18", "0x00ff", "1_000", "2026-01-01", "true", "017", "1.50",
    ]  # fmt: skip


SHIPPED = (Path(__file__).resolve().parents[2] / "scenarios" / "base" / "calm.yaml").read_text()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(SHIPPED)), st.integers(0, 40), st.text(max_size=8))
@example(0, 0, "\ufeff")
@example(0, 0, "? ")
def test_any_text_is_read_or_refused(write: Write, start: int, length: int, new: str) -> None:
    """However a shipped file is mangled, the answer is a scenario or a refusal that names a file."""
    text = SHIPPED[:start] + new + SHIPPED[start + length :]
    write(text.encode("utf-8", "replace"))

    duration_ns, message = 0, ""
    try:
        duration_ns = load("s.yaml").duration
    except ScenarioError as refused:
        message = str(refused)

    assert duration_ns > 0 or re.match(r"\S+\.yaml[:,]", message), message
