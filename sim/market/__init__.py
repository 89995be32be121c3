"""Who trades besides the bot: a reference price, traders who do not watch it and a rival who does."""
