"""An account of the market that signs calls into transactions and sends them straight to the mempool."""

from __future__ import annotations

from sim.chain.engine import CallRequest
from sim.chain.mempool import FEE_CAP_WEI
from sim.chain.transaction import Account, TransactionRejected, sign
from sim.market import abi, swap
from sim.market.place import MarketPlace
from sim.market.pool import Pool
from sim.rng import Streams

SITE = "mempool"
ACCOUNTS_STREAM = "market.accounts"


def accounts(streams: Streams, prefix: str, count: int) -> dict[str, Account]:
    """Return *count* accounts by label, `PREFIX.0` on, with keys drawn from the seed."""
    stream = streams.stream(ACCOUNTS_STREAM)
    labels = [f"{prefix}.{index}" for index in range(count)]
    return {label: Account.from_seed(stream, label) for label in labels}


class Wallet:
    """Signs and sends for one account.

    The nonce is asked of the mempool at each sending, never counted here: after a reorg the orphans are back in the
    mempool and the answer includes them, and after an eviction it goes back to fill the gap.
    """

    def __init__(self, place: MarketPlace, label: str, account: Account) -> None:
        self.label = label
        self.address = account.address
        self._key = account.key
        self._chain = place.chain
        self._mempool = place.mempool
        self._recorder = place.recorder
        self._approved: set[tuple[bytes, bytes]] = set()

    def is_waiting(self) -> bool:
        """Return whether a transaction of this account is in the mempool, not yet in a canonical block."""
        included = self._chain.state(self._chain.head).nonce(self.address)
        return self._mempool.pending_nonce(self.address) > included

    def ether_wei(self) -> int:
        """Return the account's ether at the head."""
        return self._chain.state(self._chain.head).balance(self.address)

    def stock(self, pool: Pool) -> int:
        """Return the units of the pool's token that the account holds at the head."""
        request = CallRequest(to=pool.token_address, data=abi.balance_of(self.address))
        return int.from_bytes(self._chain.call(request, self._chain.head).output, "big")

    def send(self, call: swap.Call, tip_wei: int) -> bool:
        """Sign *call* and send it, and record it as `tx.sent` or `tx.rejected`.

        The fee limit is twice the head's base fee plus the tip, as wallets set it, which stays enough for five full
        blocks in a row; both are cut where the mempool would refuse the fee as a slip of the finger.

        Returns:
            Whether the mempool took it.
        """
        nonce = self._mempool.pending_nonce(self.address)
        max_fee = min(2 * (self._chain.head.header.base_fee or 0) + tip_wei, FEE_CAP_WEI // call.gas)
        tip_wei = min(max(1, tip_wei), max_fee)
        raw = sign(
            self._key,
            chain_id=self._chain.config.chain_id,
            nonce=nonce,
            to=call.to,
            value=call.value_wei,
            data=call.data,
            gas=call.gas,
            max_fee=max_fee,
            max_priority_fee=tip_wei,
        )
        try:
            tx_hash = self._mempool.add(raw)
        except TransactionRejected as rejection:
            self._recorder.event("tx.rejected", self.label, SITE, message=str(rejection), nonce=nonce)
            return False
        self._recorder.event(
            "tx.sent",
            self.label,
            SITE,
            hash="0x" + tx_hash.hex(),
            nonce=nonce,
            action=call.action,
            venue=call.venue,
            to="0x" + call.to.hex(),
            value_wei=call.value_wei,
            max_fee_wei=max_fee,
            tip_wei=tip_wei,
        )
        return True

    def allow_sale(self, pool: Pool, tip_wei: int) -> bool:
        """Send the approval that selling on *pool* needs, unless an earlier sale did.

        Returns:
            Whether an approval is on its way or made.
        """
        pair = (pool.token_address, pool.router)
        if pair not in self._approved and self.send(swap.approve(pool), tip_wei):
            self._approved.add(pair)
        return pair in self._approved
