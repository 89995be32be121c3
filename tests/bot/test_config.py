from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import structlog

from bot import config, log
from bot.errors import ConfigError
from tests.bot.anvil import BOT_KEY, ROOT

ADDRESS = "0x" + "11" * 20
ENVIRONMENT = {
    "NODE_HTTP": "https://node.example/v3/0123456789abcdef",
    "NODE_WS": "wss://node.example/ws",
    "BOT_KEY": BOT_KEY,
    "CHAIN_ID": "1",
    "WETH": ADDRESS,
    "TOKEN": ADDRESS,
    "FACTORY_A": ADDRESS,
    "FACTORY_B": ADDRESS,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_environment_is_enough(environment: pytest.MonkeyPatch) -> None:
    """Ten names of the environment make a configuration; the rest has defaults."""
    environment.setenv("EXECUTOR", ADDRESS)

    settings = config.load()

    assert settings.chain_id == 1
    assert settings.executor_address() == b"\x11" * 20


@pytest.mark.usefixtures("environment")
def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A file gives what the environment does not, so that keys stay out of files."""
    file = tmp_path / "bot.toml"
    file.write_text("chain_id = 5\nconfirmations = 9\n")

    settings = config.load(file)

    assert (settings.chain_id, settings.confirmations) == (1, 9)


def test_the_example_file_is_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """bot.example.toml has every name the bot knows, and nothing it does not."""
    monkeypatch.setenv("BOT_KEY", BOT_KEY)
    text = (ROOT / "bot" / "bot.example.toml").read_text()

    settings = config.load(ROOT / "bot" / "bot.example.toml")

    assert settings.chain_id == 1
    for name in config.Settings.model_fields:
        assert f"{name} = " in text or name == "bot_key", f"{name} is missing from the example"


def test_every_problem_is_named_and_no_value_shown(environment: pytest.MonkeyPatch) -> None:
    """Wrong and missing names come in one message; what was in them does not."""
    environment.delenv("WETH")
    environment.setenv("BOT_KEY", "0xnot-a-key-but-secret")

    with pytest.raises(ConfigError) as caught:
        config.load()

    assert "WETH" in str(caught.value)
    assert "BOT_KEY" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("environment")
def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    """A misspelt name is an error and not a default."""
    file = tmp_path / "bot.toml"
    file.write_text("confirmation = 9\n")

    with pytest.raises(ConfigError, match="CONFIRMATION: Extra inputs"):
        config.load(file)


def test_no_executor_says_how_to_get_one(environment: pytest.MonkeyPatch) -> None:
    """An empty EXECUTOR names the command that deploys one; a broken one is named as such."""
    with pytest.raises(ConfigError, match="--deploy"):
        config.load().executor_address()
    environment.setenv("EXECUTOR", "0x12")
    with pytest.raises(ConfigError, match="not an address"):
        config.load().executor_address()


@pytest.mark.usefixtures("environment")
def test_secrets_are_struck_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the key nor what follows the host in a URL reaches the log, even through a library's exception."""
    settings = config.load()
    before = logging.root.handlers, logging.root.level
    try:
        log.set_up("info", settings.secrets)
        structlog.get_logger().info("started", settings=repr(settings), url=settings.node_http, key=BOT_KEY)
        try:
            config.load(Path(settings.node_http))
        except ConfigError:
            logging.getLogger("web3").exception("failed with %s", BOT_KEY)
    finally:
        logging.root.handlers, logging.root.level = before
        structlog.reset_defaults()

    printed = capsys.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["level"] for line in lines] == ["info", "error"]
    assert "0123456789abcdef" not in printed
    assert BOT_KEY.removeprefix("0x") not in printed
