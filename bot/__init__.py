"""The real bot: two-venue Uniswap V2 arbitrage, a thin shell of I/O around a pure mind."""
