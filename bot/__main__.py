"""The command line: `python -m bot --config bot.toml`."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from pathlib import Path

from bot import app, config, deploy
from bot.errors import BotError, ConfigError

EXAMPLES = """\
examples:
  BOT_KEY=0x... python -m bot --config bot.toml --deploy    deploy the executor, print its address
  BOT_KEY=0x... python -m bot --config bot.toml --dry-run   decide and simulate, send nothing
  BOT_KEY=0x... python -m bot --config bot.toml             trade; SIGTERM or Ctrl-C stops in phases

Environment variables win over the file: NODE_HTTP NODE_WS NODE_B_HTTP BOT_KEY CHAIN_ID WETH TOKEN FACTORY_A FACTORY_B
EXECUTOR, and every other name of bot/bot.example.toml. Without --config the environment alone is read.
"""


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    if any(re.search(r"[0-9a-fA-F]{64}", argument) for argument in arguments):
        sys.stderr.write("bot: a key on the command line is seen by every user of this machine; set BOT_KEY instead\n")
        return app.EXIT_CONFIG
    parser = argparse.ArgumentParser(
        prog="python -m bot",
        description="Two-venue Uniswap V2 arbitrage.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file; see bot/bot.example.toml")
    parser.add_argument("--dry-run", action="store_true", help="decide and simulate, send nothing")
    parser.add_argument("--deploy", action="store_true", help="deploy the executor contract and print its address")
    options = parser.parse_args(arguments)
    try:
        settings = config.load(options.config)
        if options.deploy:
            sys.stdout.write(asyncio.run(deploy.deploy(settings)) + "\n")
            return app.EXIT_OK
    except ConfigError as error:
        sys.stderr.write(f"bot: {error}\n")
        return app.EXIT_CONFIG
    except BotError as error:
        sys.stderr.write(f"bot: {type(error).__name__}: {error}\n")
        return app.EXIT_NODES
    if options.dry_run:
        settings = settings.model_copy(update={"dry_run": True})
    return app.run(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
