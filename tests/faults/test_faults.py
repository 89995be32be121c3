"""Faults of the client stack that people met in production, each reproduced on the unmodified web3.py 8.

The number of a test's fault is its row in the list of real faults; SEED and LEVEL say what it takes to see it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from tests.flight.command import Run, surroundings, windtunnel

ROOT = Path(__file__).resolve().parents[2]
SEED = 1
LEVEL = "L0"
"""Stock asyncio's own order of callbacks and a fixed latency show every one of them: no schedule has to be searched."""


def reproduce(row: str, seed: int = SEED) -> dict[str, Any]:
    """Run one row in a process of its own, and return what its bot saw."""
    command = [sys.executable, "-m", "tests.faults.ground", row, str(seed)]
    done = subprocess.run(
        command, cwd=ROOT, env=surroundings(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_the_library_is_the_one_the_list_was_made_for() -> None:
    """The lock pins web3.py 8: with another the rows below say nothing, and this says so instead of skipping them."""
    assert distribution("web3").version.startswith("8.")


@pytest.mark.parametrize("name", ["web3", "websockets", "aiohttp"])
def test_the_library_is_unmodified(name: str) -> None:
    """Every source file of the library has the hash that its wheel lists."""
    files = [each for each in distribution(name).files or [] if each.suffix == ".py" and each.hash is not None]

    changed = []
    for each in files:
        found = hashlib.new(each.hash.mode, each.read_binary()).digest()
        if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != each.hash.value:
            changed.append(str(each))

    assert len(files) > 10
    assert changed == []


def test_row_1_a_cancelled_request_leaks_the_lock_of_every_provider() -> None:
    """web3.py #3867: cancelled 2 us after they began, three requests leave a lock of the class taken.

    A provider made afterwards waits ten minutes in vain; with the lock given back by hand it answers.
    """
    seen = reproduce("lock_leak")

    assert (seen["locked"], seen["number"], seen["freed"]) == (True, None, 16)
    assert seen["tried_us"] <= 100


def test_row_1_is_the_same_in_every_process() -> None:
    """The same cancellation leaks the lock in another process and on another seed, to the nanosecond."""
    assert reproduce("lock_leak") == reproduce("lock_leak", seed=2)


def test_row_1_in_flight(tmp_path: Path) -> None:
    """Seed 1, L0: a reorg's two heads come together, the look-up of the first is cancelled, and no request ends again.

    The gate on requests fails. Without the fault the same bot passes.
    """
    scenario = ROOT / "tests" / "faults" / "lock_leak.yaml"

    leaked = windtunnel("run", scenario, "--out", tmp_path / "leaked", "--json", cwd=tmp_path)
    calm = windtunnel("run", scenario, "--faults", "none", "--out", tmp_path / "calm", "--json", cwd=tmp_path)

    printed = Run(tmp_path / "leaked").printed
    assert (leaked.code, calm.code) == (1, 0)
    assert printed[:2] == ["refreshed 23000001", "refreshed 23000002"]
    assert set(printed[2:]) == {"dropped"}
    assert Run(tmp_path / "calm").printed == [f"refreshed {23000000 + each}" for each in range(1, 8)]


def test_row_2_a_burst_stops_the_listener() -> None:
    """web3.py #3221: 600 events while the handler asks the node: its answer is behind a full queue; none is handled."""
    seen = reproduce("burst")

    assert (seen["handled"], seen["error"]) == (0, "TimeExhausted")


def test_row_3_batches_swap_their_answers() -> None:
    """Two batches at once: the one of three gets the other's two balances, the one of two gets two of the three."""
    seen = reproduce("batches")

    assert (seen["slow"], seen["fast"]) == ("[22, 22]", "[11, 11]"), "asked: two balances of 11, three of 22"


def test_row_4_a_reconnected_provider_keeps_dead_subscriptions() -> None:
    """After a reconnect the same label is refused; without a label every connection leaves one dead subscription."""
    seen = reproduce("labels")

    held, refusal = seen["with a label"]

    assert held == [1]
    assert refusal.startswith("Subscription label already exists")
    assert seen["without"] == [[1, 2, 3, 4], None]


def test_row_5_a_frame_with_a_null_id_kills_the_listener() -> None:
    """One rate-limit frame, and every later call raises it, leaving the context manager too."""
    seen = reproduce("null_id")

    assert seen["said"] == [16, 16, "rate limit", "rate limit", "rate limit"]
    assert (seen["alive"], seen["at exit"]) == (False, "rate limit")


def test_row_6_cancelled_requests_stay_in_the_caches() -> None:
    """Fifty cancelled requests leave fifty answers and entries; 25 push a subscription's formatter out."""
    seen = reproduce("cancelled_requests")

    assert seen["left"] == [50, 50]
    assert seen["heads"] == [1, "0x2"], "the second head comes raw"


def test_row_7_waiting_is_a_busy_poll() -> None:
    """web3.py #3305: ten seconds of waiting cost the provider hundreds of thousands of turns, websockets a handful."""
    seen = reproduce("busy_poll")

    assert seen["web3.py"] > 200_000
    assert seen["websockets"] < 10


def test_row_8_a_transaction_is_sent_twice() -> None:
    """web3.py #2364: the node took it, but answered late; the bot reads "already known" of what is in the mempool."""
    seen = reproduce("resend")

    assert (seen["sent"], seen["in the mempool"], seen["said"]) == (2, 1, "already known")
    assert 30 < seen["after_s"] < 32


def test_row_9_a_big_answer_closes_the_connection() -> None:
    """web3.py #913: 1.4 MB of logs end in close code 1009, and all other calls under way end with them."""
    seen = reproduce("big_logs")

    assert seen["code"] == 1009
    assert seen["answers"] == ["ConnectionClosedError"] * 3
    assert seen["later"] == "ConnectionClosedError"


def test_row_10_a_receipt_is_not_final() -> None:
    """web3.py #2309: `wait_for_transaction_receipt` returns at the first sight; after a reorg the hash is unknown."""
    seen = reproduce("reorged_receipt")

    assert (seen["status"], seen["later"]) == (1, None)


def test_row_11_a_processed_log_forgets_that_it_was_removed() -> None:
    """The raw notifications differ in `removed`; `process_log` makes them equal."""
    seen = reproduce("removed")

    assert seen["raw"] == [False, True]
    assert "removed" not in seen["keys"]
    assert seen["same"] is True


def test_row_12_connecting_twice_leaks_a_listener() -> None:
    """After connect, connect, disconnect the first listener still runs, and its connection is open at the node."""
    seen = reproduce("connect_twice")

    assert seen["left"] == ["PersistentConnectionProvider._message_listener"]
    assert seen["open"] == [True, False]


def test_row_13_retries_follow_a_fixed_plan() -> None:
    """`Retry-After: 10` is ignored: five tries within two seconds; a WebSocket comes back after 1.75 s, then 3.06 s."""
    seen = reproduce("retry_after")

    plan_s = [0.125, 0.25, 0.5, 1.0]
    late_s = [gap - planned for gap, planned in zip(seen["http gaps"], plan_s, strict=True)]

    assert seen["status"] == 429
    assert all(0.03 < each < 0.06 for each in late_s), "no jitter: a connection and a round trip late each time"
    assert seen["websocket gaps"] == pytest.approx([1.75, 3.06], abs=0.03)


def test_row_14_a_cancelled_waiter_releases_the_lock_of_another() -> None:
    """web3.py PR 3872: the waiter never had the lock, yet its cancellation lets a second task in beside the first."""
    seen = reproduce("foreign_release")

    assert seen["together"] == [["first"], ["first", "second"]]


def test_row_18_a_connection_that_is_reset_comes_back_without_a_pause() -> None:
    """web3.py #3151: a provider that resets five times a second is dialled five times a second: no backoff, a ban."""
    seen = reproduce("hot_loop")

    assert seen["before"] == 1
    assert 98 <= seen["in twenty seconds"] <= 102


def test_row_24_what_happens_in_the_gap_is_lost() -> None:
    """A NAT forgets the connection at 60 s: ping after 30 s, its time-out after 300 more; 26 heads never come.

    Nothing tells the bot: its state says open, its handler is just not called.
    """
    seen = reproduce("gap")

    assert (seen["silent from"], seen["silent until"]) == ([56], [380])
    assert seen["lost"] == [26]
