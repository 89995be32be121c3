from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from sim.chain.artifacts import Artifact, bundled, load
from sim.chain.keccak import keccak
from sim.errors import ScenarioError

ABI = [
    {"type": "constructor", "inputs": [{"name": "owner", "type": "address"}, {"name": "fees", "type": "uint24[]"}]},
    {"type": "function", "name": "set", "inputs": [{"name": "value", "type": "uint256"}]},
    {"type": "function", "name": "set", "inputs": [{"name": "text", "type": "bytes32"}]},
    {
        "type": "function", "name": "swap",
        "inputs": [{"name": "steps", "type": "tuple[]", "components": [
            {"name": "pool", "type": "address"}, {"name": "exact", "type": "bool"},
        ]}],
    },
]  # fmt: skip
OWNER = "0x" + "11" * 20
SHAPES: dict[str, dict[str, Any]] = {
    "foundry": {
        "abi": ABI,
        "bytecode": {"object": "0x6001", "linkReferences": {}},
        "deployedBytecode": {"object": "0x02"},
    },
    "hardhat": {"abi": ABI, "bytecode": "0x6001", "deployedBytecode": "0x02", "linkReferences": {}},
    "truffle": {"contractName": "X", "abi": ABI, "bytecode": "0x6001", "deployedBytecode": "0x02"},
}


def written(folder: Path, content: object) -> Path:
    path = folder / "X.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_tools_artefact_is_read(tmp_path: Path, shape: str) -> None:
    """Foundry's, Hardhat's and Truffle's files give the same artefact."""
    artifact = load(written(tmp_path, SHAPES[shape]))

    assert artifact == Artifact("X", tuple(ABI), b"\x60\x01", b"\x02")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ([], "no contract artefact"),
        ({"abi": {}}, "no contract artefact"),
        ({"abi": [], "bytecode": "0x"}, "an interface or an abstract contract cannot be deployed"),
        ({"abi": [], "bytecode": {"object": 5}}, "holds no code"),
        ({"abi": [], "bytecode": "0xzz"}, "no hexadecimal code"),
        (
            {"abi": [], "bytecode": {
                "object": "0x60__$" + "ab" * 17 + "$__00", "linkReferences": {"src/Math.sol": {"Math": []}},
            }},
            "needs library src/Math.sol:Math",
        ),
        ({"abi": [], "bytecode": "0x60__SafeMath______________________________00"}, "needs library SafeMath"),
    ],
)  # fmt: skip
def test_broken_artefacts_are_explained(tmp_path: Path, content: object, complaint: str) -> None:
    """A file that cannot be deployed says which, what is wrong and, where there is one, the mend."""
    path = written(tmp_path, content)

    with pytest.raises(ScenarioError) as refused:
        load(path)

    assert str(path) in str(refused.value)
    assert complaint in str(refused.value)


def test_a_missing_artefact_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is in the message."""
    with pytest.raises(ScenarioError, match=r"nowhere\.json: cannot be read"):
        load(tmp_path / "nowhere.json")


def test_arguments_are_written_as_a_scenario_has_them(tmp_path: Path) -> None:
    """Texts, numbers, lists and maps are encoded as the ABI's types say."""
    artifact = load(written(tmp_path, SHAPES["foundry"]))

    creation = artifact.creation((OWNER, ["500", 3000]))
    by_name = artifact.call("swap", ([{"pool": OWNER, "exact": True}],))
    by_signature = artifact.call("set(bytes32)", ("0x" + "22" * 32,))

    assert creation == b"\x60\x01" + encode(["address", "uint24[]"], [OWNER, [500, 3000]])
    assert by_name[:4] == keccak(b"swap((address,bool)[])")[:4]
    assert by_name[4:] == encode(["(address,bool)[]"], [[(OWNER, True)]])
    assert by_signature[4:] == b"\x22" * 32


@pytest.mark.parametrize(
    ("function", "args", "complaint"),
    [
        ("set", (1,), "'set' is ambiguous: set(uint256), set(bytes32)"),
        ("get", (), "has no function 'get'; there are: set(bytes32), set(uint256), swap((address,bool)[])"),
        ("set(uint256)", (), "takes 1 arguments (uint256 value), found 0"),
        ("set(uint256)", ("many",), "argument 'value'"),
        ("set(uint256)", (-1,), "X.set(uint256)"),
        ("swap", (5,), "argument 'steps': expected a list"),
    ],
)
def test_wrong_calls_are_explained(tmp_path: Path, function: str, args: tuple[Any, ...], complaint: str) -> None:
    """A call that does not fit the ABI says which argument of which function, and what there is."""
    artifact = load(written(tmp_path, SHAPES["foundry"]))

    with pytest.raises(ScenarioError) as refused:
        artifact.call(function, args)

    assert complaint in str(refused.value)


def test_uniswaps_pair_is_mainnets() -> None:
    """The bundled pair has the init code hash that Uniswap's router was compiled with."""
    assert (
        keccak(bundled("UniswapV2Pair").bytecode).hex()
        == "96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f"
    )
