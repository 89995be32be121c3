"""Records for the tests of metrics, verdicts and reports, written by the real recorder."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from sim.record import Record, Recorder, open_record

SLOT_NS = 12_000_000_000
MS = 1_000_000
ETHER = 10**18
HEADER: dict[str, Any] = {
    "windtunnel": "0.1.0",
    "scenario": "smoke",
    "seed": 7,
    "duration_ns": 60_000_000_000,
    "epoch_s": 1_700_000_000,
    "slot_ns": SLOT_NS,
    "fingerprint": {"world": {"windtunnel": "0.1.0", "engine": "pyevm"}, "subject": {"tree": "abc"}},
    "thresholds": [],
    "replay": "windtunnel run scenarios/smoke.yaml --seed 7",
}


class Tape:
    """A recorder with a clock that the test sets, and a file at the end."""

    def __init__(self, **header: Any) -> None:
        self.now_ns = 0
        self._sink = BytesIO()
        self.recorder = Recorder(self._sink, lambda: self.now_ns)
        self.recorder.header(**(HEADER | header))

    def at(self, t_ns: int) -> Recorder:
        """Return the recorder, its clock set to *t_ns*."""
        self.now_ns = t_ns
        return self.recorder

    def end(self, reason: str = "returned", exit_code: int = 0) -> Tape:
        """Write what ends a whole record."""
        self.recorder.note("digest", digest=self.recorder.digest())
        self.recorder.event("flight.end", reason=reason, exit_code=exit_code)
        return self

    def save(self, folder: Path) -> Record:
        """Write `record.jsonl.zst` into *folder*, as far as it got, and open it."""
        self.recorder.close()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.jsonl.zst").write_bytes(self._sink.getvalue())
        return open_record(folder)


def finding(tape: Tape, kind: str, **data: Any) -> None:
    """Note a finding of *kind*, with the fields a probe gives."""
    told = {"id": f"{kind}@app.py", "kind": kind, "title": f"a {kind}", "where": "app.py:3", "at_ns": tape.now_ns}
    fields = told | {"level": "L0", "gating": True, "origin": "bot", "detail": {}} | data
    tape.recorder.note("finding", kind, "", **fields)


def flight(slots: int = 5, **header: Any) -> Tape:
    """Return the tape of a small flight without trouble, not ended: blocks, heads, prices, trades of one bot."""
    tape = Tape(**header)
    tape.at(0).event("flight.start")
    tape.recorder.event(
        "balance", "bot", "", block=100, eth_wei=100 * ETHER, weth_wei=0, token_wei=0, total_wei=100 * ETHER
    )
    for slot in range(1, slots + 1):
        _slot(tape, slot)
    return tape


def _slot(tape: Tape, slot: int) -> None:
    start_ns, number, key = slot * SLOT_NS, 100 + slot, f"0x{slot:064x}"
    block = {"number": number, "hash": f"0xb{slot:063x}", "parent": f"0xb{slot - 1:063x}", "digest": "00"}
    fees = {"gas_used": 3_000_000 + 700_000 * slot, "gas_limit": 30_000_000, "base_fee_wei": 10**9 * (10 + slot)}
    recorder = tape.at(start_ns)
    recorder.event("block", "builder", "", **block, **fees, timestamp=1_700_000_000 + slot * 12, txs=3)
    recorder.event("price", "token", "", wei_per_token=5 * 10**14 + slot * 10**12, slot=slot)
    if slot > 1:
        _land(tape, slot - 1, number)
    total_wei = 100 * ETHER + (slot - 1) * 2 * 10**16
    parts = {"eth_wei": total_wei, "weth_wei": 0, "token_wei": 0, "total_wei": total_wei}
    recorder.event("balance", "bot", "", block=number, **parts)
    tape.at(start_ns + 20 * MS).event("head", "node-a", "", number=number, hash=block["hash"])
    answer = {"transport": "ws", "bytes_in": 120, "bytes_out": 340}
    tape.at(start_ns + 45 * MS).event("rpc", "node-a", "eth_call", ok=True, code=None, **answer)
    tape.recorder.sample("lock.wait", 3 * MS * slot, lock="nonce")
    tape.recorder.sample("lock.hold", 9 * MS, lock="nonce")
    tape.recorder.sample("task.run", 40 * MS)
    tape.at(start_ns + (60 + slot) * MS).event("tx.sent", "bot", "node-a", hash=key, nonce=slot)


def _land(tape: Tape, slot: int, number: int) -> None:
    key, cost = f"0x{slot:064x}", {"gas_used": 180_000, "gas_price_wei": 12 * 10**9, "tip_wei": 10**9}
    place = {"block": number, "block_hash": f"0xb{slot + 1:063x}", "index": 0, "to": "0xexecutor"}
    tape.recorder.event("tx.included", "bot", "", hash=key, status=1, nonce=slot, **place, **cost)
    money = {"realised_wei": 2 * 10**16, "quoted_wei": 21 * 10**15, "gas_cost_wei": 180_000 * 12 * 10**9}
    trade = {"hash": key, "block": number, "path": "WETH>TOKEN>WETH", "gas_used": 180_000, "tip_wei": 10**9}
    tape.recorder.event("trade", "bot", "", **trade, **money, status="included", reason="")


EVIL = "<script>alert(1)</script>\"'&amp;{{7*7}}$x_1^2$\x1b[31m\u202e]]>\x00"
"""Text that means something to HTML, SVG, XML, Jinja, matplotlib, terminals and spreadsheets."""


def hostile() -> Tape:
    """Return the tape of a flight whose every text is EVIL, not ended."""
    tape = flight(slots=3, scenario=EVIL, replay=EVIL, windtunnel=EVIL, fingerprint={EVIL: {EVIL: EVIL}})
    recorder = tape.at(3 * SLOT_NS + 70 * MS)
    recorder.event("fault", EVIL, "", kind=EVIL, phase="begin")
    recorder.event("price", EVIL, EVIL, wei_per_token=3, slot=3)
    recorder.event("rpc", EVIL, EVIL, ok=False, code=EVIL, transport=EVIL)
    recorder.event("tx.rejected", "bot", EVIL, message=EVIL)
    recorder.event("trade", "bot", "", hash=EVIL, block=3, path=EVIL, status=EVIL, reason="=1+1" + EVIL)
    recorder.sample("lock.wait", 3, lock=EVIL)
    texts = {"title": EVIL, "where": EVIL + ":3", "detail": {EVIL: [EVIL]}, "origin": EVIL, "id": EVIL, "replay": EVIL}
    finding(tape, EVIL, **texts)
    return tape
