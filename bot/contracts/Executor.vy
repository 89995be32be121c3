# pragma version ~=0.4.3
# pragma evm-version cancun
"""
@title Executor
@license MIT
@notice Buys a token on one Uniswap V2 pair and sells it on another in one transaction, on borrowed money.
@dev The first pair lends the token (flash swap), the second buys it for WETH, the first is repaid in WETH and the
     surplus goes to the owner. Nothing stays here between transactions. Amounts are taken from the reserves at the
     moment of execution, so a pool that moved a little changes the profit and not the outcome; a profit below the
     caller's minimum undoes everything.
"""

interface Token:
    def balanceOf(account: address) -> uint256: view
    def transfer(to: address, amount: uint256) -> bool: nonpayable

interface Pair:
    def getReserves() -> (uint112, uint112, uint32): view
    def swap(amount0_out: uint256, amount1_out: uint256, to: address, data: Bytes[192]): nonpayable

event Executed:
    buy_pair: indexed(address)
    sell_pair: indexed(address)
    token_amount: uint256
    profit: uint256

# A pool's fee is given in parts of this.
BPS: constant(uint256) = 10_000

OWNER: public(immutable(address))
WETH: public(immutable(address))

# The only address that may call back, and only while `execute` runs. Transient (EIP-1153): zero again afterwards.
lender: transient(address)


@deploy
def __init__(owner: address, weth: address):
    assert owner != empty(address), "no owner"
    assert weth != empty(address), "no WETH"
    OWNER = owner
    WETH = weth


@external
def execute(
    buy_pair: address,
    sell_pair: address,
    token: address,
    token_amount: uint256,
    buy_fee_bps: uint256,
    sell_fee_bps: uint256,
    min_profit: uint256,
) -> uint256:
    """
    @notice Borrow `token_amount` of `token` from `buy_pair`, sell it on `sell_pair`, repay, keep the difference.
    @return The profit in wei of WETH, sent to the owner.
    """
    assert msg.sender == OWNER, "not the owner"
    assert buy_pair != sell_pair, "one pair"
    weth_is_0: bool = convert(WETH, uint160) < convert(token, uint160)
    repayment: uint256 = self._amount_in(buy_pair, weth_is_0, token_amount, buy_fee_bps)
    proceeds: uint256 = self._amount_out(sell_pair, weth_is_0, token_amount, sell_fee_bps)
    # Who comes too late learns it here, for a quarter of the gas; what the balance says at the end is what counts.
    assert proceeds >= repayment + min_profit, "profit below minimum"

    before: uint256 = staticcall Token(WETH).balanceOf(self)
    self.lender = buy_pair
    order: Bytes[192] = abi_encode(sell_pair, token, weth_is_0, token_amount, repayment, proceeds)
    if weth_is_0:
        extcall Pair(buy_pair).swap(0, token_amount, self, order)
    else:
        extcall Pair(buy_pair).swap(token_amount, 0, self, order)
    self.lender = empty(address)
    after: uint256 = staticcall Token(WETH).balanceOf(self)

    assert after >= before + min_profit, "profit below minimum"
    profit: uint256 = after - before
    assert extcall Token(WETH).transfer(OWNER, profit, default_return_value=True)
    log Executed(buy_pair=buy_pair, sell_pair=sell_pair, token_amount=token_amount, profit=profit)
    return profit


@external
def uniswapV2Call(sender: address, amount0: uint256, amount1: uint256, data: Bytes[192]):
    """
    @notice The pair's callback in the middle of the flash swap: sell what it lent and repay it.
    """
    # An idle contract has no lender, and the zero address calls nobody.
    assert msg.sender == self.lender, "not the lender"
    assert sender == self, "not our swap"
    sell_pair: address = empty(address)
    token: address = empty(address)
    weth_is_0: bool = False
    token_amount: uint256 = 0
    repayment: uint256 = 0
    proceeds: uint256 = 0
    sell_pair, token, weth_is_0, token_amount, repayment, proceeds = abi_decode(
        data, (address, address, bool, uint256, uint256, uint256)
    )

    assert extcall Token(token).transfer(sell_pair, token_amount, default_return_value=True)
    if weth_is_0:
        extcall Pair(sell_pair).swap(proceeds, 0, self, b"")
    else:
        extcall Pair(sell_pair).swap(0, proceeds, self, b"")
    assert extcall Token(WETH).transfer(msg.sender, repayment, default_return_value=True)


@external
def withdraw(token: address, amount: uint256):
    """
    @notice Send tokens that ended up here to the owner.
    """
    assert msg.sender == OWNER, "not the owner"
    assert extcall Token(token).transfer(OWNER, amount, default_return_value=True)


@internal
@view
def _reserves(pair: address, weth_is_0: bool) -> (uint256, uint256):
    """
    @return Reserves of WETH and of the token.
    """
    reserve0: uint112 = 0
    reserve1: uint112 = 0
    timestamp: uint32 = 0
    reserve0, reserve1, timestamp = staticcall Pair(pair).getReserves()
    if weth_is_0:
        return convert(reserve0, uint256), convert(reserve1, uint256)
    return convert(reserve1, uint256), convert(reserve0, uint256)


@internal
@view
def _amount_in(pair: address, weth_is_0: bool, token_amount: uint256, fee_bps: uint256) -> uint256:
    """
    @return WETH that buys `token_amount` (UniswapV2Library.getAmountIn).
    """
    weth_reserve: uint256 = 0
    token_reserve: uint256 = 0
    weth_reserve, token_reserve = self._reserves(pair, weth_is_0)
    return weth_reserve * token_amount * BPS // ((token_reserve - token_amount) * (BPS - fee_bps)) + 1


@internal
@view
def _amount_out(pair: address, weth_is_0: bool, token_amount: uint256, fee_bps: uint256) -> uint256:
    """
    @return WETH paid for `token_amount` (UniswapV2Library.getAmountOut).
    """
    weth_reserve: uint256 = 0
    token_reserve: uint256 = 0
    weth_reserve, token_reserve = self._reserves(pair, weth_is_0)
    sold: uint256 = token_amount * (BPS - fee_bps)
    return weth_reserve * sold // (token_reserve * BPS + sold)
