"""Where a payload becomes an answer: one request or a batch, with each request on the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sim.node import rpc
from sim.node.methods import Methods
from sim.node.rpc import Fragment, Request, RpcError
from sim.node.subscriptions import Publisher, Session
from sim.record import Recorder

RECORDED_NAME_CHARS_MAX: Final = 64
HTTP: Final = "http"
WEBSOCKET: Final = "ws"
SUBSCRIPTION_VERBS: Final = ("_subscribe", "_unsubscribe")


class Desk:
    """Answers the requests of a node's clients, whatever wire they came by.

    Args:
        node: the node's name.
        recorder: where an `rpc` event per request goes, or None.
    """

    def __init__(self, node: str, methods: Methods, publisher: Publisher, recorder: Recorder | None) -> None:
        self._node = node
        self._handle: Callable[[str, list[Any] | None], Fragment] = methods.handle
        self._publisher = publisher
        self._recorder = recorder

    def answer(self, message: Any, size: int, session: Session | None) -> str | None:
        """Return the reply to one parsed payload as JSON text, or None if there is none to send.

        Args:
            size: of the payload, in bytes.
            session: the WebSocket connection it came by, or None over HTTP.
        """
        if type(message) is list:
            return self._answer_batch(message, size, session)
        return self._answer_one(message, size, session)

    def _answer_one(self, message: Any, size: int, session: Session | None) -> str | None:
        request = rpc.classify(message)
        if request is None:
            return None
        wire = HTTP if session is None else WEBSOCKET
        if isinstance(request, rpc.Invalid):
            text = rpc.error_reply(request.id, RpcError("invalid request", rpc.INVALID_REQUEST))
            self._note("", rpc.INVALID_REQUEST, wire, size, text)
            return text
        identity = request.id
        try:
            result = self._run(request, session)
        except RpcError as error:
            reply = None if identity is None else rpc.error_reply(identity, error)
            self._note(request.method, error.code, wire, size, reply)
        else:
            reply = None if identity is None else rpc.reply(identity, result)
            self._note(request.method, None, wire, size, reply)
        return reply

    def _run(self, request: Request, session: Session | None) -> Fragment:
        method = request.method
        if method.endswith(SUBSCRIPTION_VERBS):
            return self._subscription(method, request.params, session)
        return self._handle(method, request.params)

    def _subscription(self, method: str, params: list[Any] | None, session: Session | None) -> Fragment:
        space, _, verb = method.rpartition("_")
        if verb == "subscribe":
            if session is None:
                raise RpcError("notifications not supported", rpc.METHOD_NOT_FOUND)
            if space != "eth":
                name = params[0] if params and type(params[0]) is str else ""
                raise RpcError(f'no "{name}" subscription in {space} namespace', rpc.METHOD_NOT_FOUND)
            return self._publisher.subscribe(session, params)
        return self._publisher.unsubscribe(session, params)

    def _answer_batch(self, messages: list[Any], size: int, session: Session | None) -> str | None:
        if not messages:
            text = rpc.error_reply("null", RpcError("empty batch", rpc.INVALID_REQUEST))
            self._note("", rpc.INVALID_REQUEST, HTTP if session is None else WEBSOCKET, size, text)
            return text
        if len(messages) > rpc.BATCH_REQUESTS_MAX:
            return self._refuse_batch(messages, size, session)
        replies: list[str] = []
        total, over = 0, False
        for message in messages:
            if over:
                reply = self._too_large(message)
            else:
                reply = self._answer_one(message, size, session)
                size = 0
                total += 0 if reply is None else len(reply)
                over = total > rpc.BATCH_RESPONSE_BYTES_MAX
            if reply is not None:
                replies.append(reply)
        return f"[{','.join(replies)}]" if replies else None

    def _refuse_batch(self, messages: list[Any], size: int, session: Session | None) -> str:
        error = RpcError("batch too large", rpc.INVALID_REQUEST)
        calls = (rpc.classify(message) for message in messages)
        first = next((call.id for call in calls if type(call) is Request and call.id is not None), "null")
        text = f"[{rpc.error_reply(first, error)}]"
        self._note("", rpc.INVALID_REQUEST, HTTP if session is None else WEBSOCKET, size, text)
        return text

    def _too_large(self, message: Any) -> str | None:
        request = rpc.classify(message)
        if request is None or request.id is None:
            return None
        return rpc.error_reply(request.id, RpcError("response too large", rpc.RESPONSE_TOO_LARGE))

    def refuse(self, message: str, wire: str, size: int) -> str:
        """Return the reply to a payload that is not JSON."""
        text = rpc.error_reply("null", RpcError(message, rpc.PARSE_ERROR))
        self._note("", rpc.PARSE_ERROR, wire, size, text)
        return text

    def _note(self, method: str, code: int | None, wire: str, size: int, reply: str | None) -> None:
        """Record one request. Of a batch, the first member carries the size of the whole payload."""
        if self._recorder is not None:
            self._recorder.event(
                "rpc",
                self._node,
                method[:RECORDED_NAME_CHARS_MAX],
                ok=code is None,
                code=code,
                transport=wire,
                bytes_in=size,
                bytes_out=0 if reply is None else len(reply),
            )
