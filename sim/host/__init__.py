"""The machine that the bot runs on: its loop, network, threads, clocks, chance and process."""
