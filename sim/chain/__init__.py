"""The chain itself: transactions, blocks, state, engine, mempool and builder; it knows how to reorg, not when."""
