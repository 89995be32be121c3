from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bot import anvil


@pytest.fixture
def ground() -> Iterator[anvil.Ground]:
    with anvil.running() as node:
        yield anvil.lay_out(node)
