"""The resolved scenario says everything, reads back as the same, and shows no key."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.scenario import Scenario, load, resolved, secrets, world_hash

Write = Callable[..., Path]
Loaded = Callable[..., Scenario]

KEY = "4c0883a69102937d6231471b5dbb6204fe512961708279feb1be6ae5538da033"
FULL = """\
duration: 1m30s
seed: 18446744073709551615
chain: {id: 10, slot: 250ms, hardfork: cancun, base_fee: 1.5 gwei, gas_limit: 30_000_000}
nodes:
  a: {latency: {quantiles: {p0: 1ms, p50: 3ms, p99.9: 20ms}}, keep_alive: 30s}
  b: {latency: {samples: rtt.csv, column: ms}, site: far}
hosts:
  {eth.example.com: {node: a, latency: 5ms}, t.example.com: {app: "fly:app", site: far}, r: {refuse: true},
   h: {blackhole: true}}
links:
  - {between: [home, "*"], delay: {dist: uniform, low: 1ms, high: 2ms}, jitter: 1ms, correlation: 25%}
  - {from: home, to: node-a, bandwidth: 2.5 Mbit/s, loss: 0.5%, retransmit: 300ms}
accounts: {bot: {balance: 100 ether, tokens: {WETH: 50 ether, DAI: 7 wei}}, other: {}}
contracts:
  dai: {kind: erc20, symbol: DAI, decimals: 6}
  own: {artifact: fly.py, from: bot, args: ["${contracts.weth}", 5, [true, "1 ether"], 0x00ff],
        calls: [{function: "set(uint256)", args: [1], from: other, value: 1 gwei}]}
  there: {at: 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2}
market:
  venues: {v2: {kind: uniswap_v2, pools: [{reserves: {weth: 1 ether, dai: 2 ether}}]}}
  price: {dai: {start: 0.0005 ether, volatility: 80.5%, drift: -3%}}
  flow: {swaps_per_slot: 2.5, size: 1 ether, slippage: [10 bps, 1%]}
  rivals: [{id: fast, latency: {dist: lognormal, median: 1ms, p99: 2ms}}]
faults:
  - {id: one, kind: reorg, at: 1s, every: 10s, depth: 2, deeper: 25%}
  - {id: two, kind: disconnect, rate: 3/h, node: a}
  - {id: cut, kind: partition, at: 1s, duration: 5s, from: home, to: "*"}
  - {id: worse, kind: degrade, at: 1s, duration: 5s, between: [home, far], loss: 1%, idle: 10s}
  - {id: half, kind: half_open, at: 1s, host: t.example.com, answer: silence}
  - {id: late, kind: slow_close, at: 1s, duration: 5s, node: b, by: 3s}
  - {id: name, kind: dns, at: 1s, node: a, to: t.example.com}
  - {id: some, kind: disconnect, at: 1s, host: eth.example.com, share: 50%, duration: 1s}
  - {id: three, kind: latency, at: [1s, 2s], duration: 100ms, node: b, factor: 2.5, extra: 1us}
bot:
  script: fly.py
  site: home
  args: ["no", "12:30", "0x10", "", " x ", "a: b", "- c", "#d", "null"]
  env: {A: "${nodes.a.ws}", B: "$$", C: "line\\nline", D: "é😀"}
  files: {etc/x: fly.py}
  stop: {signal: cancel, grace: 3s}
limits: {rss: 512 MiB}
thresholds: {"lock.wait{lock:nonce}": [{expr: "p(99)<20ms", abort_on_fail: true}, "max<1s"]}
"""


def full(write: Write, text: str = FULL) -> Scenario:
    write("ms\n1.5\n20\n", "rtt.csv")
    write(text)
    return load("s.yaml")


def test_it_reads_back_as_the_same_scenario(write: Write, tmp_path: Path) -> None:
    """Every key of the model survives, from any directory, with paths in full and templates kept."""
    scenario = full(write)

    text = resolved(scenario)
    write(text, "elsewhere/s.yaml")
    again = load(tmp_path / "elsewhere/s.yaml", directory=tmp_path / "elsewhere")

    assert again.model_dump() == scenario.model_dump()
    assert resolved(again) == text
    assert "${nodes.a.ws}" in text
    assert str(tmp_path / "fly.py") in text


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=4))
def test_any_text_survives(write: Write, texts: list[str]) -> None:
    """Texts that look like numbers, nulls, comments or escapes come back as they were."""
    texts = [text.replace("$", "$$") for text in texts]
    bot = Scenario.model_validate(
        {"id": "x", "duration": "1s", "bot": {"script": "fly.py", "path": ".", "args": texts}}
    )

    write(resolved(bot), "again.yaml")

    assert load("again.yaml").bot.args == tuple(texts)  # type: ignore[union-attr]


def test_a_scenario_travels_to_another_process(write: Write) -> None:
    """A pickled scenario is equal, and still knows its places."""
    scenario = full(write)

    again = pickle.loads(pickle.dumps(scenario))

    assert again.model_dump() == scenario.model_dump()
    assert again.threshold_list() == scenario.threshold_list()


def test_values_are_frozen(loaded: Loaded) -> None:
    """Nobody changes a scenario after it was read."""
    scenario = loaded()

    with pytest.raises(ValueError, match="frozen"):
        scenario.duration = 1


@pytest.mark.parametrize("spelt", [f"0x{KEY}", f"0x{KEY.upper()}", f'"0x{KEY}"'])
def test_a_key_is_never_written(loaded: Loaded, spelt: str) -> None:
    """A canary key given to an account and repeated elsewhere is `***` in the resolved scenario and in every repr."""
    scenario = loaded(
        f"accounts: {{bot: {{key: {spelt}}}}}\n",
        sets=(f"bot.env={{K: 'k={KEY}', PRIVATE_KEY: '0x{KEY[::-1]}'}}", f"bot.args=['--key=0x{KEY.upper()}']"),
    )

    shown = resolved(scenario) + repr(scenario) + str(scenario.accounts)

    assert KEY not in resolved(scenario).lower()
    assert KEY[::-1] not in resolved(scenario).lower()
    assert f"0x{KEY}" not in repr(scenario.accounts).lower()
    assert "key: '***'" in shown
    assert secrets(scenario) == tuple(sorted({KEY, KEY[::-1]}))


def test_the_world_hash_is_about_the_world(write: Write) -> None:
    """Bot, seed, limits, thresholds and id do not count; everything else does."""
    hashed = world_hash(full(write))
    same = [
        FULL.replace("seed: 18446744073709551615", "seed: 2\nid: other"),
        FULL.replace("grace: 3s", "grace: 4s"),
        FULL.replace("512 MiB", "1 GiB"),
        FULL.replace("max<1s", "max<2s"),
        FULL.replace("1m30s", "90s"),
    ]
    others = [
        FULL.replace("1m30s", "91s"),
        FULL.replace("p50: 3ms", "p50: 4ms"),
        FULL.replace("depth: 2", "depth: 3"),
        FULL.replace("other: {}", f"other: {{key: 0x{KEY}}}"),
    ]

    assert {world_hash(full(write, text)) for text in same} == {hashed}
    assert len({hashed, *(world_hash(full(write, text)) for text in others)}) == len(others) + 1


def test_the_world_hash_follows_the_content_of_files(write: Write, tmp_path: Path) -> None:
    """Another checkout has the same hash; another artefact or other samples have another."""
    hashed = world_hash(full(write))
    write("", "moved/fly.py")
    write("ms\n1.5\n20\n", "moved/rtt.csv")
    write(FULL, "moved/s.yaml")

    assert world_hash(load(tmp_path / "moved/s.yaml", directory=tmp_path / "moved")) == hashed

    write("# changed", "fly.py")

    assert world_hash(load("s.yaml")) != hashed
