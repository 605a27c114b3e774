"""Something around a call: the four kinds of RPC behind one function, for interceptors."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from penchant_server.stubs import Handler

Call: TypeAlias = Callable[..., Awaitable[Message]]
"""Behaviour of an RPC with one answer: (request or stream of requests, context) → answer."""
Stream: TypeAlias = Callable[..., AsyncIterator[Message]]
"""Behaviour of an RPC with a stream of answers."""


def wrapped(
    handler: Handler, around_call: Callable[[Call], Call], around_stream: Callable[[Stream], Stream]
) -> Handler:
    """Return a handler like *handler* with something around its behaviour, whichever of the four kinds it is."""
    inner: Any
    make: Any
    behaviour: Any
    if handler.response_streaming:
        inner = handler.stream_stream or handler.unary_stream
        behaviour = around_stream(inner)
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )
    else:
        inner = handler.stream_unary or handler.unary_unary
        behaviour = around_call(inner)
        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
    made: Handler = make(behaviour, handler.request_deserializer, handler.response_serializer)
    return made
