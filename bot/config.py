"""The bot's configuration: environment variables, or a TOML file under them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

from eth_utils.address import is_hex_address, to_canonical_address
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.errors import ConfigError

GWEI_WEI = 10**9
ETHER_WEI = 10**18


def _address(text: str) -> str:
    if not is_hex_address(text):
        raise ValueError(f"{text!r} is not an address (0x and 40 hexadecimal digits)")
    return text


def _key(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{64}", secret.get_secret_value()):
        raise ValueError("not a private key (64 hexadecimal digits)")
    return secret


Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseSettings):
    """Everything the bot can be told. Names are those of the environment, in any case."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True)

    node_http: str
    node_ws: str
    node_b_http: str = ""
    bot_key: Annotated[SecretStr, AfterValidator(_key)]
    chain_id: int
    weth: Address
    token: Address
    factory_a: Address
    factory_b: Address
    executor: str = ""

    fee_a_bps: int = Field(30, ge=0, lt=10_000)
    fee_b_bps: int = Field(30, ge=0, lt=10_000)
    input_max_wei: int = Field(20 * ETHER_WEI, gt=0)
    edge_min_wei: int = Field(ETHER_WEI // 10_000, ge=0)
    tip_share_bps: int = Field(5_000, ge=0, le=10_000)
    tip_min_wei: int = Field(GWEI_WEI // 10, ge=0)
    tip_max_wei: int = Field(200 * GWEI_WEI, ge=0)
    gas_used_gas: int = Field(150_000, gt=0)
    gas_limit_gas: int = Field(350_000, gt=0)
    attempts_max: int = Field(4, ge=1)
    confirmations: int = Field(3, ge=1)

    trades_per_hour_max: int = Field(600, ge=0)
    gas_burn_per_hour_max_wei: int = Field(ETHER_WEI // 2, ge=0)
    revert_ratio_max_bps: int = Field(9_000, ge=0, le=10_000)
    outcomes_window: int = Field(20, ge=1)
    breaker_cooldown_s: int = Field(300, ge=0)
    head_age_max_s: int = Field(36, ge=1)
    kill_file: str = ""
    dry_run: bool = False

    rpc_timeout_s: float = Field(5.0, gt=0)
    lock_timeout_s: float = Field(30.0, gt=0)
    log_wait_s: float = Field(0.25, ge=0)
    log_quiet_s: float = Field(0.01, ge=0)
    feed_silence_max_s: float = Field(40.0, gt=0)
    reconnect_wait_max_s: float = Field(10.0, gt=0)
    reconcile_every_blocks: int = Field(50, ge=1)
    stop_deadline_s: float = Field(6.0, ge=0)
    start_attempts_max: int = Field(10, ge=1)

    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    log_level: str = "info"
    artifact: str = "build/contracts/Executor.json"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  pydantic-settings passes these by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, so that a key need not be in one."""
        return env_settings, init_settings

    @property
    def secrets(self) -> tuple[str, ...]:
        """Strings that must not appear in a log: the key in either spelling, and what follows the host in URLs."""
        key = self.bot_key.get_secret_value().removeprefix("0x")
        paths = (re.sub(r"^\w+://[^/]*", "", url) for url in (self.node_http, self.node_ws, self.node_b_http))
        return (key, *(path for path in paths if len(path) > 8))

    def executor_address(self) -> bytes:
        """Return the executor contract's address.

        Raises:
            ConfigError: There is none; the bot cannot trade without it.
        """
        if not self.executor:
            raise ConfigError(
                "EXECUTOR is empty: the bot trades through its executor contract. "
                "Deploy it with `python -m bot --config bot.toml --deploy` and set EXECUTOR to the address it prints."
            )
        if not is_hex_address(self.executor):
            raise ConfigError(f"EXECUTOR is {self.executor!r}, not an address (0x and 40 hexadecimal digits)")
        return to_canonical_address(self.executor)


def load(path: Path | None = None) -> Settings:
    """Return the settings of the environment, over those of a TOML file if one is given.

    Raises:
        ConfigError: Each wrong or missing name with what is wrong about it; never a value.
    """
    values: dict[str, object] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text())
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: {error}") from error
    try:
        return Settings(**values)  # type: ignore[arg-type]  # the model checks them
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']).upper()}: {item['msg']}" for item in error.errors()
        )
        raise ConfigError(f"configuration: {problems}") from error
