"""Errors of the harness: one class per answer the caller can give."""

from __future__ import annotations


class WindtunnelError(Exception):
    """Any failure that Windtunnel explains in one message instead of a traceback."""

    exit_code = 4


class ScenarioError(WindtunnelError):
    """The input is wrong: a scenario file, a `--set` argument, an artefact, a known-findings file.

    The message names the place (file:line:column where there is one), what was found and the mend.
    """

    exit_code = 2


class UsageError(WindtunnelError):
    """The command line asks for something that does not exist or cannot be done here."""

    exit_code = 2


class RecordError(WindtunnelError):
    """A record cannot be read: missing, of a newer schema, or torn before its first whole frame."""

    exit_code = 2


class IncomparableError(WindtunnelError):
    """Two records come from different worlds, so comparing them would say nothing."""

    exit_code = 3


class BoundaryError(RuntimeError):
    """The bot called an interface of the operating system that is not simulated.

    It is raised inside the bot, at the call, and recorded as a finding. It is a `RuntimeError` and not an
    `OSError` so that retry loops around network errors do not swallow it.
    """

    def __init__(self, api: str, stack: str = "", mend: str = "") -> None:
        self.api = api
        self.stack = stack
        self.mend = mend
        super().__init__(f"{api} is not simulated{': ' + mend if mend else ''}")
