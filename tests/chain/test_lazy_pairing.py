"""py_ecc's pairings behind the stand-in."""

import subprocess
import sys

PROGRAM = """
import sys
import sim.chain
from py_ecc import optimized_bn128 as curve
import py_ecc.optimized_bn128.optimized_pairing as module
stand_in = "miller_loop" not in vars(module)
one = curve.pairing(curve.G2, curve.G1) * curve.pairing(curve.G2, curve.neg(curve.G1))
print(stand_in, one == type(one).one(), module.miller_loop.__name__)
"""


def test_a_pairing_is_loaded_at_its_first_call() -> None:
    """The stand-in holds nothing until it is called, then answers as py_ecc does, other names included."""
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert result.stdout.split() == ["True", "True", "miller_loop"]


def test_importing_a_curve_loads_no_pairing() -> None:
    """Names taken out of the stand-in by `from ... import` leave it empty: half a second of each flight's start."""
    program = "import sim.chain\nimport py_ecc.optimized_bls12_381 as c\nprint(c.pairing.__module__)"

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "sim.chain.lazy_pairing"
