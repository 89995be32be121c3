"""The kinds of value that keys of a scenario hold, each read from its spelling and written back exactly."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import core_schema

from sim.scenario import values
from sim.scenario.distribution import AMOUNT, DURATION, PARAMETERS, Dimension, Distribution, Samples, parse_distribution
from sim.scenario.source import Real, Whole, anchor
from sim.scenario.values import Rate, ValueRefused

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MASK = "***"


def _quantity(units: Mapping[str, object]) -> str:
    return f"{values.NUMBER}\\s*({'|'.join(map(re.escape, units))})"


_UNITS = {
    "duration": f"^\\s*({_quantity(values.DURATION_UNITS)}\\s*)+$",
    "shift": f"^\\s*-?({_quantity(values.DURATION_UNITS)}\\s*)+$",
    "amount": f"^\\s*{_quantity(values.WEI_UNITS)}\\s*$",
    "size": f"^\\s*{_quantity(values.SIZE_UNITS)}\\s*$",
    "bandwidth": f"^\\s*{_quantity(values.BANDWIDTH_UNITS)}\\s*$",
    "ratio": f"^\\s*-?{_quantity(values.RATIO_UNITS)}\\s*$",
    "rate": f"^\\s*{values.NUMBER}\\s*(/|\\s+per\\s+).+$",
}


class Strict(BaseModel):
    """A part of a scenario: frozen, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _note(cls, data: Any, info: ValidationInfo) -> Any:
        """Tell the loader which model each map of the file became, for its suggestions."""
        if isinstance(info.context, dict) and isinstance(data, dict):
            info.context["models"][id(data)] = cls
        return data


def _spelt(format_: Callable[[Any], str]) -> PlainSerializer:
    return PlainSerializer(format_, return_type=str, when_used="json")


def _text_schema(unit: str, *examples: str) -> WithJsonSchema:
    schema = {"type": "string", "pattern": _UNITS[unit]} if unit == "rate" else _number_schema(unit)
    return WithJsonSchema({**schema, "description": f"with its unit: {', '.join(examples)}", "examples": [*examples]})


def _number_schema(unit: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "string", "pattern": _UNITS[unit]}, {"const": 0}]}


Duration = Annotated[
    int,
    PlainValidator(values.parse_duration),
    _spelt(values.format_duration),
    _text_schema("duration", "60s", "1m30s", "250ms"),
]
Shift = Annotated[
    int,
    PlainValidator(values.parse_shift),
    _spelt(values.format_shift),
    _text_schema("shift", "250ms", "-2s"),
]
Wei = Annotated[
    int,
    PlainValidator(values.parse_wei),
    _spelt(values.format_amount),
    _text_schema("amount", "1.5 ether", "2 gwei", "7 wei"),
]
Size = Annotated[int, PlainValidator(values.parse_size), _spelt(values.format_size), _text_schema("size", "2 GiB")]
Bandwidth = Annotated[
    int,
    PlainValidator(values.parse_bandwidth),
    _spelt(values.format_bandwidth),
    _text_schema("bandwidth", "20 Mbit/s"),
]
Ratio = Annotated[
    Fraction,
    PlainValidator(lambda raw: raw if isinstance(raw, Fraction) else values.parse_ratio(raw)),
    _spelt(values.format_ratio),
    _text_schema("ratio", "0.3%", "30 bps"),
]
Number = Annotated[
    Fraction,
    PlainValidator(values.parse_number),
    _spelt(values.format_number),
    WithJsonSchema({"type": ["number", "string"], "description": "a number without a unit"}),
]
Occurrence = Annotated[
    Rate, PlainValidator(values.parse_rate), _spelt(values.format_rate), _text_schema("rate", "3/h", "1/10m")
]


def positive(value: Any) -> Any:
    """Refuse what is not above zero."""
    if value <= 0:
        raise ValueRefused("must be above 0")
    return value


def _share(value: Fraction) -> Fraction:
    if not 0 <= value <= 1:
        raise ValueRefused(f"{values.format_ratio(value)} is outside 0%..100%")
    return value


Share = Annotated[Ratio, AfterValidator(_share)]

_T = TypeVar("_T")
# A list of the file, kept as a tuple; anything else is refused, a single value too.
Listed = Annotated[tuple[_T, ...], BeforeValidator(lambda raw: tuple(raw) if isinstance(raw, list) else raw)]


@dataclass(frozen=True, slots=True)
class Count:
    """Marks an int as a whole number without a unit, from *low* to *high*, both included."""

    low: int
    high: int

    def read(self, raw: object) -> int:
        """Return the number, if it is within the bounds."""
        number = values.parse_count(raw)
        if not self.low <= number <= self.high:
            raise ValueRefused(f"{number} is outside {self.low}..{self.high}")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Return how pydantic reads it."""
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Return what editors check; JSON readers keep 53 bits, so a larger bound is left to the loader."""
        bounds = {"minimum": self.low, **({"maximum": self.high} if self.high < 2**53 else {})}
        return {"anyOf": [{"type": "integer", **bounds}, {"type": "string", "pattern": "^[0-9][0-9_]*$"}]}


def _form(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Drawn:
    """Marks a `Distribution` as one of *dimension*; a number alone is always the same."""

    dimension: Dimension

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Return how pydantic reads and writes it."""
        write = core_schema.plain_serializer_function_ser_schema(self._write, info_arg=True, when_used="json")
        read = partial(parse_distribution, self.dimension)
        return core_schema.no_info_plain_validator_function(read, serialization=write)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Return what editors check."""
        number = _number_schema(self.dimension.name)
        named = [
            _form({"dist": {"const": name}, **dict.fromkeys(parameters, number)})
            for name, parameters in PARAMETERS.items()
        ]
        quantiles = {
            "type": "object",
            "patternProperties": {"^p[0-9]+(\\.[0-9]+)?$": number},
            "additionalProperties": False,
            "minProperties": 2,
        }
        text = {"type": "string"}
        measured = [_form({"quantiles": quantiles}), _form({"samples": text}, {"column": text, "unit": text})]
        return {"anyOf": [*number["anyOf"], *named, *measured]}

    def _write(self, value: Distribution, info: SerializationInfo) -> Any:
        if isinstance(value, Samples) and by_content(info):
            return {"samples": blake2b(repr(value.values).encode(), digest_size=16).hexdigest()}
        return value.plain(self.dimension.spell)


DurationDraw = Annotated[Distribution, Drawn(DURATION)]
WeiDraw = Annotated[Distribution, Drawn(AMOUNT)]


def _read_path(raw: object) -> Path:
    if isinstance(raw, Path):
        return raw
    if not isinstance(raw, str) or not raw.strip() or "\0" in raw:
        raise ValueRefused(f"expected the path of a file, found {values.show(raw)}")
    return anchor(raw)


def _write_path(path: Path, info: SerializationInfo) -> str:
    if not by_content(info):
        return str(path)
    return blake2b(path.read_bytes() if path.is_file() else b"", digest_size=16).hexdigest()


def by_content(info: SerializationInfo) -> bool:
    """Say whether files are written as what they hold, for a hash, not as where they are."""
    return isinstance(info.context, dict) and info.context.get("files") == "content"


FilePath = Annotated[
    Path,
    PlainValidator(_read_path),
    PlainSerializer(_write_path, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "description": "a path, relative to this file"}),
]


def spelling(raw: object) -> str:
    """Return the text of a leaf as it was written, whatever YAML takes it for.

    `at: 0xC02a...` without quotes is a number in YAML, `PORT: 8545` too; their spelling is what is meant.
    """
    if isinstance(raw, Whole | Real):
        return raw.text
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, str):
        return str(raw)
    if isinstance(raw, int):
        return str(raw)
    raise ValueRefused(f"expected a text, found {values.show(raw)}")


Word = Annotated[str, PlainValidator(spelling), WithJsonSchema({"type": ["string", "number", "boolean"]})]


def hexadecimal(raw: object, size_bytes: int, what: str) -> bytes:
    """Return the bytes of a `0x` text of exactly *size_bytes*."""
    text = spelling(raw)
    digits = text.removeprefix("0x")
    if not text.startswith("0x") or any(char not in "0123456789abcdefABCDEF" for char in digits):
        raise ValueRefused(f"{what} is written as 0x and {size_bytes * 2} hexadecimal digits, in quotes")
    if len(digits) != size_bytes * 2:
        raise ValueRefused(f"{what} has {size_bytes * 2} hexadecimal digits after 0x, found {len(digits)}")
    return bytes.fromhex(digits)


def _read_address(raw: object) -> str:
    return "0x" + hexadecimal(raw, 20, "an address").hex()


Address = Annotated[
    str,
    PlainValidator(_read_address),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^0x[0-9a-fA-F]{40}$", "description": "an address"}),
]


class PrivateKey:
    """A private key given in a scenario; it never shows itself."""

    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __repr__(self) -> str:
        """Return a text without the key."""
        return "PrivateKey(***)"

    def __eq__(self, other: object) -> bool:
        """Return True for the same key."""
        return isinstance(other, PrivateKey) and other.value == self.value

    def __hash__(self) -> int:
        """Return a hash of the key."""
        return hash(self.value)


def _read_key(raw: object) -> PrivateKey:
    if isinstance(raw, PrivateKey):
        return raw
    if raw == MASK:
        raise ValueRefused(f"{MASK} stands for a key that a resolved scenario does not show; put the key here again")
    key = hexadecimal(raw, 32, "a private key")
    if not 0 < int.from_bytes(key, "big") < SECP256K1_ORDER:
        raise ValueRefused("this private key is outside 1..n-1 of secp256k1")
    return PrivateKey(key)


def _write_key(key: PrivateKey, info: SerializationInfo) -> str:
    return blake2b(key.value, digest_size=16).hexdigest() if by_content(info) else MASK


Key = Annotated[
    PrivateKey,
    PlainValidator(_read_key),
    PlainSerializer(_write_key, return_type=str, when_used="json"),
    WithJsonSchema({"type": ["string", "integer"], "description": "a private key: 0x and 64 hexadecimal digits"}),
]

NAME_PATTERN = r"^[a-z0-9_-]+$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
HOST_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$"
HostName = Annotated[str, Field(pattern=HOST_PATTERN, max_length=253)]
ENTRY_PATTERN = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
EntryPoint = Annotated[str, Field(pattern=ENTRY_PATTERN)]
