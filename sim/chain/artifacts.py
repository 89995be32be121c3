"""Contract artefacts: the JSON that Foundry, Hardhat and Truffle write, and how to call what is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError

from sim.chain.keccak import keccak
from sim.errors import ScenarioError

BUNDLED = Path(__file__).parent / "artifacts"
_PLACEHOLDER = re.compile(r"__(?:\$[0-9a-fA-F]{34}\$__|[^_].{36,38})")
_ARRAY = re.compile(r"^(.*)\[(\d*)\]$")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract.

    Args:
        name: the file's stem.
        bytecode: what a creation transaction carries, before the constructor's arguments.
        deployed_bytecode: what then stands on the chain, as far as the compiler knows; may be empty.
    """

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes

    def creation(self, args: Sequence[Any] = ()) -> bytes:
        """Return the data of the transaction that creates the contract with *args*.

        Raises:
            ScenarioError: the arguments do not fit the constructor.
        """
        inputs = next((entry.get("inputs", ()) for entry in self.abi if entry.get("type") == "constructor"), ())
        return self.bytecode + encode_arguments(inputs, args, f"{self.name}'s constructor")

    def call(self, function: str, args: Sequence[Any] = ()) -> bytes:
        """Return the data of a call to *function*, a name or a signature such as `set(uint256)`.

        Raises:
            ScenarioError: there is no such function, more than one, or the arguments do not fit it.
        """
        functions = [entry for entry in self.abi if entry.get("type") == "function"]
        signatures = [(signature(entry), entry) for entry in functions]
        found = [pair for pair in signatures if function in (pair[0], pair[1]["name"])]
        if len(found) > 1:
            by_count = [pair for pair in found if len(pair[1]["inputs"]) == len(args)]
            found = by_count if len(by_count) == 1 else found
        if not found:
            known = ", ".join(sorted(text for text, _ in signatures)) or "none"
            raise ScenarioError(f"{self.name} has no function {function!r}; there are: {known}")
        if len(found) > 1:
            raise ScenarioError(f"{self.name}: {function!r} is ambiguous: {', '.join(text for text, _ in found)}")
        text, entry = found[0]
        return keccak(text.encode())[:4] + encode_arguments(entry["inputs"], args, f"{self.name}.{text}")


def bundled(name: str) -> Artifact:
    """Return an artefact that Windtunnel brings along.

    Raises:
        ScenarioError: it was not built.
    """
    path = BUNDLED / f"{name}.json"
    if not path.is_file():
        raise ScenarioError(f"{path}: the contract artefact is missing; `make setup` builds it")
    return load(path)


def load(path: Path) -> Artifact:
    """Return the artefact in *path*, as Foundry, Hardhat or Truffle wrote it.

    Raises:
        ScenarioError: the file is missing, is no artefact, holds no bytecode, or needs libraries linked.
    """
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); build it, or mend the path") from None
    except ValueError as error:
        raise ScenarioError(f"{path}: not JSON ({error}); name the contract's file in Foundry's out/ folder") from None
    if not isinstance(data, dict) or not isinstance(data.get("abi"), list) or "bytecode" not in data:
        raise ScenarioError(
            f"{path}: no contract artefact: it needs `abi` and `bytecode`, as Foundry, Hardhat and Truffle write them"
        )
    return Artifact(
        name=path.stem, abi=tuple(data["abi"]), bytecode=_code(path, data, "bytecode", required=True),
        deployed_bytecode=_code(path, data, "deployedBytecode", required=False),
    )  # fmt: skip


def _code(path: Path, data: Mapping[str, Any], field: str, *, required: bool) -> bytes:
    value = data.get(field)
    if isinstance(value, dict):
        value = value.get("object")
    if not isinstance(value, str):
        if not required:
            return b""
        raise ScenarioError(f"{path}: `{field}` holds no code")
    digits = value.removeprefix("0x")
    if _PLACEHOLDER.search(digits):
        if not required:
            return b""
        raise ScenarioError(f"{path}: not linked: it needs {_libraries(data, digits)}; link it when it is built")
    if not digits and required:
        raise ScenarioError(f"{path}: `{field}` is empty: an interface or an abstract contract cannot be deployed")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        if not required:
            return b""
        raise ScenarioError(f"{path}: `{field}` is no hexadecimal code") from None


def _libraries(data: Mapping[str, Any], digits: str) -> str:
    code = data.get("bytecode")
    links = code.get("linkReferences") if isinstance(code, dict) else data.get("linkReferences")
    names = sorted(f"{source}:{name}" for source, found in (links or {}).items() for name in found)
    if not names:
        names = sorted({match.strip("_$") for match in _PLACEHOLDER.findall(digits)})
    return ("library " if len(names) == 1 else "libraries ") + ", ".join(names)


def signature(entry: Mapping[str, Any]) -> str:
    """Return the signature of an ABI entry, as its selector is made from it.

    >>> signature({"name": "f", "inputs": [{"type": "tuple[]", "components": [{"type": "uint8"}]}]})
    'f((uint8)[])'
    """
    return f"{entry['name']}({','.join(_type(parameter) for parameter in entry['inputs'])})"


def _type(parameter: Mapping[str, Any]) -> str:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(part) for part in parameter['components'])}){kind[5:]}"


def encode_arguments(inputs: Sequence[Mapping[str, Any]], args: Sequence[Any], what: str) -> bytes:
    """Return *args* in the contract ABI.

    Args:
        args: Python values or texts as a scenario has them: `0x...` for addresses and bytes, digits for integers.
        what: whose arguments they are, for the message.

    Raises:
        ScenarioError: they do not fit *inputs*.
    """
    if len(args) != len(inputs):
        wanted = ", ".join(f"{_type(part)} {part.get('name', '')}".strip() for part in inputs) or "nothing"
        raise ScenarioError(f"{what} takes {len(inputs)} arguments ({wanted}), found {len(args)}")
    values = []
    for parameter, value in zip(inputs, args, strict=True):
        try:
            values.append(_value(parameter["type"], parameter, value))
        except (ValueError, TypeError) as error:
            name = parameter.get("name") or _type(parameter)
            raise ScenarioError(f"{what}: argument {name!r}: {error}") from None
    try:
        return encode([_type(parameter) for parameter in inputs], values)
    except EncodingError as error:
        raise ScenarioError(f"{what}: {error}") from None


def _value(kind: str, parameter: Mapping[str, Any], value: Any) -> Any:
    array = _ARRAY.match(kind)
    if array:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise ValueError(f"expected a list for {kind}, found {value!r}")
        return [_value(array[1], parameter, item) for item in value]
    if kind == "tuple":
        parts = parameter["components"]
        items = [value[part["name"]] for part in parts] if isinstance(value, Mapping) else list(value)
        if len(items) != len(parts):
            raise ValueError(f"expected {len(parts)} values, found {len(items)}")
        return tuple(_value(part["type"], part, item) for part, item in zip(parts, items, strict=True))
    if kind == "address" and isinstance(value, bytes):
        return "0x" + value.hex()
    if kind.startswith("bytes") and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    if kind.startswith(("uint", "int")) and isinstance(value, str):
        return int(value, 0)
    return value
