"""How a flight's end is read: what the bot may still send, whose fault an error is, what would mend it."""

from __future__ import annotations

import traceback

from sim.chain.transaction import Transaction
from sim.host.clock import NsEnvironment
from sim.host.net import Network
from sim.ledger import SUBJECT
from sim.probe.findings import Findings
from sim.probe.place import Place, Places
from sim.units import MS
from sim.world import World

HANDLING_NS = MS
"""What a node may take between a request's last byte and the mempool."""


def watch_new_work(how: str, world: World, network: Network, findings: Findings) -> None:
    """From the stop on, a new nonce is a finding, unless it cancels: replacements and settling are legal.

    What is on the wire at the stop, or waits in the mempool for the nonce before it, was sent before the stop.

    Args:
        how: the stop signal.
    """
    mempool, labels = world.mempool, world.labels
    first_new = {address: mempool.pending_nonce(address) for address, label in labels.items() if label == SUBJECT}
    sent = {(tx.sender, tx.nonce) for tx in mempool.transactions()}
    wire_until_ns = network.on_the_wire_until() + HANDLING_NS

    def look(tx: Transaction) -> None:
        if world.env.now <= wire_until_ns:
            sent.add((tx.sender, tx.nonce))
        is_new = tx.nonce >= first_new.get(tx.sender, tx.nonce + 1) and (tx.sender, tx.nonce) not in sent
        if is_new and not (tx.to == tx.sender and not tx.value and not tx.data):
            title = f"a transaction with the new nonce {tx.nonce} was sent after {how}"
            place = Place(None, "a new transaction after the stop", "bot")
            findings.add("work_after_stop", title, place, detail={"hash": f"0x{tx.hash.hex()}"})

    mempool.on_transaction.append(look)


def is_own_fault(error: Exception, in_world: bool, places: Places) -> bool:
    """Say whether *error* is the harness's and not the bot's, or that of an application on a host of the user's.

    Args:
        in_world: whether the world's code was running: then it is enough that no line of the bot's is on the stack,
            but for a lost connection. On a loop of the bot it must be an assertion of ours.
    """
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    steps = [index for index, code in enumerate(codes) if code is NsEnvironment.step.__code__]
    inside = codes[steps[-1] :] if steps else codes
    if any(places.of_code(code).origin == "bot" for code in inside):
        return False
    if in_world:
        return bool(steps) or not isinstance(error, OSError)
    return isinstance(error, AssertionError) and bool(inside) and places.is_ours(inside[-1].co_filename)


def mend(error: BaseException) -> str:
    """Return what to add to the scenario, where *error* is a missing variable of the environment."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    missing = isinstance(error, KeyError) and trace is not None and trace.tb_frame.f_globals.get("__name__") == "os"
    return (
        f" (not in the bot's environment: add `bot: {{env: {{{error.args[0]}: ...}}}}` to the scenario)"
        if missing
        else ""
    )
