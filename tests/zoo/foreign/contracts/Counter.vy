# pragma version ~=0.4.0
# SPDX-License-Identifier: MIT
"""
@title Counts, for its owner
@license MIT
"""

event Added:
    amount: uint256
    total: uint256

owner: public(address)
total: public(uint256)


@deploy
def __init__(owner: address, start: uint256):
    self.owner = owner
    self.total = start


@external
def add(amount: uint256):
    assert msg.sender == self.owner, "only the owner counts"
    self.total += amount
    log Added(amount=amount, total=self.total)
