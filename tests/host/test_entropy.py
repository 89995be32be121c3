"""Chance is the seed's, in processes that take it over: what is drawn there is drawn again in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TAKE_OVER = """
from sim.host import entropy
from sim.rng import Streams
entropy.install(entropy.Entropy(Streams(SEED)))
"""
EARLY = "import random\nearly = [random.Random() for _ in range(3)]\n"
LATE = "print([each.random() for each in early])\n"


def printed(*parts: str, seed: int = 1) -> str:
    """Return what a fresh process prints; its hash seed is fixed, its addresses are not."""
    code = "".join(parts).replace("SEED", str(seed))
    env = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "PATH": os.environ["PATH"]}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "draw",
    [
        "import random; print(random.random(), random.Random().random(), random.SystemRandom().random())",
        "import secrets; print(secrets.token_hex(99), secrets.choice(range(10**9)))",
        "import os, posix; print(os.urandom(9), posix.urandom(9), os.getrandom(9), posix.getrandom(9))",
        "import ssl, _ssl; print(ssl.RAND_bytes(9), _ssl.RAND_bytes(9))",
        "import uuid; print(uuid.uuid4(), uuid.getnode())",
        "import tempfile; print(next(tempfile._get_candidate_names()))",
        "import numpy; print(numpy.random.random(3), numpy.random.randint(10**9))",
        "import numpy; print(numpy.random.default_rng().random(3), numpy.random.RandomState().random())",
        "import numpy; print(numpy.random.SeedSequence().entropy, numpy.random.SFC64().random_raw())",
    ],
)
def test_a_source_answers_from_the_seed(draw: str) -> None:
    """Two processes draw alike under one seed, and otherwise under another."""
    first, again, other = (printed(TAKE_OVER, draw, seed=seed) for seed in (1, 1, 2))

    assert first == again != other


def test_instances_that_lived_before_the_take_over_are_seeded_in_order() -> None:
    """Three generators that the system had seeded: each gets a seed of its own, the same in every process."""
    first, again, other = (printed(EARLY, TAKE_OVER, LATE, seed=seed) for seed in (1, 1, 2))

    assert first == again != other
    assert len(set(first.strip("[]\n").split(", "))) == 3


def test_numpy_generators_that_lived_before_the_take_over_are_seeded() -> None:
    """The global one, a `Generator` and a `RandomState` made before: all answer from the seed."""
    early = "import numpy\nearly = numpy.random.default_rng(), numpy.random.RandomState()\n"
    late = "print(numpy.random.random(), [each.random() for each in early])\n"

    first, again, other = (printed(early, TAKE_OVER, late, seed=seed) for seed in (1, 1, 2))

    assert first == again != other


def test_a_seed_that_is_given_keeps_its_meaning() -> None:
    """`random.Random(7)`, `random.seed(7)` and numpy's seeds give what they give anywhere."""
    draw = (
        "import random, numpy; random.seed(7); print(random.random(), random.Random(7).random(), "
        "numpy.random.default_rng(7).random(), numpy.random.RandomState(7).random())"
    )

    assert printed(TAKE_OVER, draw) == printed(draw)


FENCE = """
from sim.host import boundary
boundary.install()
found = []
boundary.on_refused = lambda error: found.append(error.api)
def attempt(function, *args):
    try:
        function(*args)
    except boundary.BoundaryError:
        print(found[-1])
    else:
        print("leaked")
import ctypes, os, pathlib
"""


@pytest.mark.parametrize(
    ("attempt", "api"),
    [
        ("open, '/dev/urandom', 'rb'", "open('/dev/urandom')"),
        ("open, b'/dev/random', 'rb'", "open('/dev/random')"),
        ("os.open, pathlib.Path('/dev/urandom'), os.O_RDONLY", "open('/dev/urandom')"),
        ("pathlib.Path('/dev/../dev/urandom').read_bytes", "open('/dev/urandom')"),
        ("open, '/proc/sys/kernel/random/uuid'", "open('/proc/sys/kernel/random/uuid')"),
        ("getattr, ctypes.CDLL(None), 'getrandom'", "ctypes: getrandom"),
        ("getattr, ctypes.CDLL(None), 'clock_gettime'", "ctypes: clock_gettime"),
        ("os.system, 'true'", "os.system"),
    ],
)
def test_what_would_leak_is_refused(attempt: str, api: str) -> None:
    """Devices of chance, by whatever path, and the C functions behind chance and clocks: a `BoundaryError`."""
    assert printed(FENCE, f"attempt({attempt})") == f"{api}\n"


def test_files_of_such_names_elsewhere_are_opened(tmp_path: Path) -> None:
    """A bot's own file called `random` or `uuid` is nobody's business."""
    (tmp_path / "random").write_text("mine")

    assert printed(FENCE, f"print(open('{tmp_path / 'random'}').read())") == "mine\n"


def test_nothing_is_refused_before_and_after_a_flight() -> None:
    """The fence acts while a bot flies; the harness itself may read what it likes."""
    assert printed(FENCE, "boundary.on_refused = None; print(len(open('/dev/urandom', 'rb').read(3)))") == "3\n"
