"""Findings on their way into the record: each once, with an id that unrelated edits do not change."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from types import FrameType, TracebackType
from typing import Any

from sim.probe.place import Place
from sim.record import Recorder


class Findings:
    """Writes findings of one flight.

    Args:
        redact: strikes keys out of a text.
        level: the level of schedule freedom that the flight runs at.
    """

    def __init__(
        self, recorder: Recorder, clock: Callable[[], int], redact: Callable[[str], str], level: str = "L0"
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._redact = redact
        self._level = level
        self._seen: set[str] = set()
        self.on_add: Callable[[str, str, bool, FrameType | TracebackType | None], None] | None = None
        """Told of each finding as it is written; a debugger sets it."""

    def add(
        self,
        kind: str,
        title: str,
        place: Place,
        *,
        about: str = "",
        gating: bool = True,
        detail: dict[str, Any] | None = None,
        at: FrameType | TracebackType | None = None,
    ) -> None:
        """Write a finding unless the same was written before.

        Args:
            about: what tells it apart from others of its kind in the same function: a lock's name, a task's.
            at: a task's frame or an error's traceback, for whoever wants to look at it.
        """
        identity = f"{kind}\0{place.scope}\0{about}"
        number = blake2b(identity.encode(), digest_size=6, person=b"finding").hexdigest()
        finding_id = f"{kind}-{number}"
        if finding_id in self._seen:
            return
        self._seen.add(finding_id)
        self._recorder.note(
            "finding",
            kind,
            id=finding_id,
            kind=kind,
            title=self._redact(title),
            where=place.where,
            at_ns=self._clock(),
            level=self._level,
            gating=gating,
            origin=place.origin,
            detail=self._cleaned(detail or {}),
        )
        if self.on_add is not None:
            self.on_add(finding_id, self._redact(title), gating, at)

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, dict):
            return {key: self._cleaned(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._cleaned(item) for item in value]
        return value
