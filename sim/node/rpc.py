"""JSON-RPC 2.0 as geth speaks it: parsing, classification, replies and errors.

Pure: bytes and values in, text and values out. The transports and the methods are elsewhere.

Source:
    go-ethereum, `rpc/json.go`, `rpc/handler.go`, `rpc/errors.go`, `node/defaults.go`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

METHOD_NAME_CHARS_MAX: Final = 2048
BATCH_REQUESTS_MAX: Final = 1000
BATCH_RESPONSE_BYTES_MAX: Final = 25_000_000
BODY_BYTES_MAX: Final = 5 * 1024 * 1024
FRAME_BYTES_MAX: Final = 32 * 1024 * 1024
DEPTH_MAX: Final = 500
"""Nesting of a payload. Python's decoder recurses, and py-evm lifts the interpreter's own limit beyond the C stack."""

DEFAULT: Final = -32000
RESPONSE_TOO_LARGE: Final = -32003
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
PARSE_ERROR: Final = -32700
REVERTED: Final = 3


class RpcError(Exception):
    """A request's answer is an error: the code, message and data that go on the wire."""

    def __init__(self, message: str, code: int = DEFAULT, data: str | None = None) -> None:
        self.message = message
        self.code = code
        self.data = data
        super().__init__(message)


class ParseError(ValueError):
    """The payload is not JSON.

    Args:
        message: what Go's decoder says of it.
        cut: whether the text ends too early, which geth's WebSocket answers by closing without a word.
    """

    def __init__(self, message: str, cut: bool) -> None:
        self.cut = cut
        super().__init__(message)


class Fragment(str):
    """Text that is already JSON, so that it is not encoded again."""

    __slots__ = ()


class Number(float):
    """A JSON number with a fraction or exponent that keeps its spelling, so that an id comes back as it was sent."""

    __slots__ = ("text",)
    text: str


def invalid_params(message: str) -> RpcError:
    """Return the error for wrong arguments."""
    return RpcError(message, INVALID_PARAMS)


def method_not_found(method: str) -> RpcError:
    """Return the error for a method that this node does not serve."""
    return RpcError(f"the method {method} does not exist/is not available", METHOD_NOT_FOUND)


def _number(text: str) -> Number:
    number = Number(text)
    number.text = text
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError("Expecting value", name, 0)


_scan: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder(
    parse_float=_number, parse_constant=_refuse_constant
).raw_decode
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_find_marks: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL).findall
_BLANK: Final = " \t\n\r"
_GO_CONTEXT: Final = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


def parse(payload: bytes) -> Any:
    """Return the first JSON value of *payload*; what follows it is ignored, as Go's stream decoder does.

    Bytes that are not UTF-8 become U+FFFD.

    Raises:
        ParseError: there is no JSON value. Blank text is one that is cut.
    """
    if payload.count(b"[") + payload.count(b"{") > DEPTH_MAX and _depth(payload) > DEPTH_MAX:
        raise ParseError("exceeded max depth", cut=False)
    text = payload.decode("utf-8", "replace")
    start = 0
    if text[:1] in _BLANK:
        start = len(text) - len(text.lstrip(_BLANK))
    try:
        return _scan(text, start)[0]
    except json.JSONDecodeError as error:
        raise _parse_error(text, error) from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise ParseError(str(error), cut=False) from None


def _depth(payload: bytes) -> int:
    """Return how deep lists and objects are nested in *payload*."""
    deepest = depth = 0
    for mark in _find_marks(payload):
        if mark in {b"[", b"{"}:
            depth += 1
            deepest = max(deepest, depth)
        elif mark in {b"]", b"}"}:
            depth -= 1
    return deepest


def _parse_error(text: str, error: json.JSONDecodeError) -> ParseError:
    position = error.pos if error.doc is text else 0
    cut = error.msg.startswith("Unterminated string") or position >= len(text)
    if cut:
        return ParseError("unexpected end of JSON input", cut=True)
    context = _GO_CONTEXT.get(error.msg, "looking for beginning of value")
    return ParseError(f"invalid character {text[position]!r} {context}", cut=False)


class Request(NamedTuple):
    """One call or notification of a client.

    Args:
        id: the id as JSON text; None for a notification, which gets no reply.
        method: the method's name.
        params: positional arguments; None if the client sent something else than a list.
    """

    id: str | None
    method: str
    params: list[Any] | None


class Invalid(NamedTuple):
    """Something that is no request; it is answered with "invalid request" under the id, as JSON text."""

    id: str


def classify(message: Any) -> Request | Invalid | None:
    """Return what *message* is; None for a client's response, which gets no answer."""
    if type(message) is not dict:
        return Invalid("null")
    method = message.get("method", "")
    if type(method) is not str:
        method = ""
    valid = message.get("jsonrpc") == "2.0"
    identity = message.get("id", _ABSENT)
    if identity is _ABSENT:
        if valid and method:
            return Request(None, method, _params(message))
        return Invalid("null")
    kind = type(identity)
    if kind is int:
        text = str(identity)
    elif kind is Number:
        text = identity.text
    elif kind is dict or kind is list:
        return Invalid("null")
    else:
        text = _encode(identity)
    if valid and method:
        return Request(text, method, _params(message))
    if valid and "params" not in message and ("result" in message or "error" in message):
        return None
    return Invalid(text)


_ABSENT: Final = object()


def _params(message: dict[str, Any]) -> list[Any] | None:
    params = message.get("params")
    if params is None:
        return []
    return params if type(params) is list else None


def encode(value: Any) -> str:
    """Return *value* as JSON text; a `Fragment` as it is."""
    return value if type(value) is Fragment else _encode(value)


def reply(identity: str, result: str) -> str:
    """Return the response that carries *result*, both given as JSON text."""
    return f'{{"jsonrpc":"2.0","id":{identity},"result":{result}}}'


def error_reply(identity: str, error: RpcError) -> str:
    """Return the response that carries *error*."""
    data = "" if error.data is None else f',"data":{_encode(error.data)}'
    return (
        f'{{"jsonrpc":"2.0","id":{identity},"error":{{"code":{error.code},"message":{_encode(error.message)}{data}}}}}'
    )


def notification(subscription: str, result: str) -> str:
    """Return the `eth_subscription` message that carries *result*, given as JSON text."""
    return (
        '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"'
        f'{subscription}","result":{result}}}}}'
    )
