"""A module of the bot: its state is gone with the process."""

calls = []
