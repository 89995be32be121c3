from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario import Scenario, load

Write = Callable[..., Path]
Refused = Callable[..., str]

LEAST = "duration: 60s\nbot: {script: fly.py}\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files beside a script `fly.py` in a folder that is the caller's directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fly.py").write_text("")

    def write_(text: str | bytes, name: str = "s.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_


@pytest.fixture
def loaded(write: Write) -> Callable[..., Scenario]:
    """Load a text that is laid over the least scenario there can be."""

    def load_(text: str = "", sets: tuple[str, ...] = (), bot: str | None = None) -> Scenario:
        write(LEAST + text)
        return load("s.yaml", sets, bot)

    return load_


@pytest.fixture
def refused(write: Write) -> Refused:
    """Return the message with which a text is refused."""

    def refused_(text: str | bytes, sets: tuple[str, ...] = (), bot: str | None = None) -> str:
        write(text)
        with pytest.raises(ScenarioError) as caught:
            load("s.yaml", sets, bot)
        return str(caught.value)

    return refused_
