"""Methods about the node itself, and the hash function."""

from __future__ import annotations

from typing import Final

from sim.chain.keccak import keccak
from sim.node import codec
from sim.node.rpc import Fragment
from sim.node.view import NodeView

CLIENT_VERSION: Final = "Windtunnel"
"""Without a number, so that a release changes no answer and no digest."""


def chain_id(view: NodeView) -> Fragment:
    """eth_chainId."""
    return codec.quantity(view.chain_id)


def syncing(_view: NodeView) -> Fragment:
    """eth_syncing: a node of this world is always in step."""
    return Fragment("false")


def accounts(_view: NodeView) -> Fragment:
    """eth_accounts: the node holds no keys."""
    return Fragment("[]")


def net_version(view: NodeView) -> Fragment:
    """net_version: the chain's id in decimal."""
    return Fragment(f'"{view.chain_id}"')


def net_listening(_view: NodeView) -> Fragment:
    """net_listening."""
    return Fragment("true")


def net_peer_count(_view: NodeView) -> Fragment:
    """net_peerCount: peers are not simulated."""
    return codec.quantity(0)


def client_version(_view: NodeView) -> Fragment:
    """web3_clientVersion."""
    return Fragment(f'"{CLIENT_VERSION}"')


def sha3(_view: NodeView, data: bytes) -> Fragment:
    """web3_sha3."""
    return codec.data(keccak(data))


def rpc_modules(_view: NodeView) -> Fragment:
    """rpc_modules."""
    return Fragment('{"eth":"1.0","net":"1.0","rpc":"1.0","web3":"1.0"}')
