"""Errors of the bot: one class per answer; what the market says is a value, never one of these."""

from __future__ import annotations


class BotError(Exception):
    """Any failure the bot explains itself."""


class ConfigError(BotError):
    """The configuration is wrong or incomplete; the message says what to change."""


class NodeFailure(BotError):
    """A node or the line to it failed; another endpoint, or another moment, may do."""


class RequestTimeout(NodeFailure):
    """No answer in time; the request may or may not have been carried out."""


class Disconnected(NodeFailure):
    """The connection could not be made, or broke; the request may or may not have been carried out."""


class RateLimited(NodeFailure):
    """The node asks to be called less often."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class WrongChain(NodeFailure):
    """An endpoint serves another chain than the one configured; it is not used."""


class NodeError(BotError):
    """The node understood the request and said no; asking another one would not help."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        self.code = code
        self.message = message
        self.data = data
        super().__init__(f"{message} (code {code})")


class LockTimeout(BotError):
    """A lock was not free in time: a deadlock, or somebody holds it too long."""


class LockOrderError(BotError):
    """A lock was asked for against the global order; two tasks doing so could deadlock."""
