"""The chain itself: transactions, blocks, state, engine, mempool and builder; it knows how to reorg, not when."""

from sim.chain import lazy_pairing

lazy_pairing.install()  # before anything of py-evm is imported
