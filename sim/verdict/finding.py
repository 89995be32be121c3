"""A finding: one thing that is wrong with the bot, as a record tells it and as result.json shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sim.record import Event

NEVER_GATING_LEVEL = "L3"
"""Schedules that stock asyncio cannot produce; they never fail a gate."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Args:
        id: stable across edits elsewhere; what `--known` names.
        where: `path:line` relative to the bot's path, or None.
        level: the least level of schedule freedom that the run needed, L0 to L3.
        gating: it fails the gate, unless it is known.
        known: an unexpired entry of the known findings names it.
        origin: `bot`, `library NAME VERSION` or `harness`.
        detail: what was seen, as its probe tells it.
        replay: the shell line that produces it again.
        reproducible: false where wall time decided, as it does for code that runs away.
    """

    id: str
    kind: str
    title: str
    where: str | None = None
    at_ns: int = 0
    level: str = "L0"
    gating: bool = True
    known: bool = False
    origin: str = "bot"
    detail: Any = field(default_factory=dict)
    replay: str = ""
    reproducible: bool = True

    @property
    def fails(self) -> bool:
        """Whether it fails the gate."""
        return self.gating and not self.known

    def as_json(self) -> dict[str, Any]:
        """Return the form of interface.md."""
        told: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "where": self.where,
            "at_ns": self.at_ns,
            "level": self.level,
            "gating": self.gating,
            "known": self.known,
            "origin": self.origin,
            "detail": self.detail,
            "replay": self.replay,
        }
        return told if self.reproducible else {**told, "reproducible": False}

    def marked(self, known: bool) -> Finding:
        """Return the finding with `known` set so."""
        return replace(self, known=known)


def finding_of(event: Event, replay: str) -> Finding:
    """Return the finding that a `finding` line of a record tells."""
    data: Mapping[str, Any] = event.data
    kind = str(data.get("kind") or event.actor)
    where = data.get("where")
    level = str(data.get("level", "L0"))
    detail = data.get("detail", {})
    inner = detail.get("reproducible", True) if isinstance(detail, dict) else True
    return Finding(
        id=str(data.get("id") or f"{kind}@{where or '?'}"),
        kind=kind,
        title=str(data.get("title") or kind.replace("_", " ")),
        where=None if where is None else str(where),
        at_ns=int(data.get("at_ns", event.t_ns)),
        level=level,
        gating=bool(data.get("gating", True)) and level != NEVER_GATING_LEVEL,
        origin=str(data.get("origin", "bot")),
        detail=detail,
        replay=str(data.get("replay") or replay),
        reproducible=bool(data.get("reproducible", inner)),
    )
