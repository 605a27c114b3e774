"""Keys on all four kinds of RPC and for as long as a stream lasts, on a service of four methods."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from penchant_adapters.settings_groups import AccessSettings
from penchant_server.access import bound, opened_access

from tests.integration.access.conftest import (
    NEW,
    OLD,
    PATIENCE,
    SHOP,
    WRONG,
    Metadata,
    bearer,
    lines,
    refused,
    replace,
    until,
)


@dataclass
class Four:
    """Methods of all kinds over bytes; those that stream wait when they have answered once."""

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    heard: int = 0

    async def one(self, request: bytes, context: Any) -> bytes:
        self.begun.append("one")
        return request

    async def up(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        with self._noted("up"):
            return b"".join([request async for request in requests])

    async def down(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        with self._noted("down"):
            yield request
            await asyncio.Event().wait()

    async def both(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        with self._noted("both"):
            async for request in requests:
                self.heard += 1
                yield request

    def _noted(self, name: str) -> Any:
        from contextlib import ExitStack

        self.begun.append(name)
        stack = ExitStack()
        stack.callback(self.ended.append, name)
        return stack

    @property
    def handlers(self) -> dict[str, Any]:
        return {
            "One": grpc.unary_unary_rpc_method_handler(self.one),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }


@asynccontextmanager
async def four_kinds(keys: Path) -> AsyncIterator[tuple[Four, Any]]:
    four = Four()
    async with opened_access(AccessSettings(api_keys_file=keys)) as access:
        server = grpc.aio.server(interceptors=access.interceptors)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Four", four.handlers),))
        address = await bound(server, "127.0.0.1:0", access)
        async with grpc.aio.insecure_channel(address) as channel:
            yield four, channel
        await server.stop(None)


async def call(kind: str, channel: Any, metadata: Metadata) -> bytes:
    """The first answer of a call with one message."""
    match kind:
        case "One":
            one: bytes = await channel.unary_unary("/test.Four/One")(b"hi", metadata=metadata)
            return one
        case "Up":
            up: bytes = await channel.stream_unary("/test.Four/Up")(iter([b"hi"]), metadata=metadata)
            return up
        case "Down":
            made = channel.unary_stream("/test.Four/Down")(b"hi", metadata=metadata)
        case _:
            made = channel.stream_stream("/test.Four/Both")(iter([b"hi"]), metadata=metadata)
    try:
        answer: bytes = await made.read()
    finally:
        made.cancel()
    return answer


@pytest.mark.parametrize("kind", ["One", "Up", "Down", "Both"])
async def test_every_kind_of_call_needs_a_key_and_without_one_nothing_begins(kind: str, keys: Path) -> None:
    async with four_kinds(keys) as (four, channel):
        bad: list[Metadata] = [
            (),
            bearer(WRONG),
            bearer(OLD[:-1]),
            bearer(hashlib.sha256(OLD.encode()).hexdigest()),
            (("authorization", f"Basic {OLD}"),),
            (("x-api-key", WRONG),),
            (("x-api-key", ""), *bearer(OLD)),
        ]
        for metadata in bad:
            assert await refused(call(kind, channel, metadata)), metadata
        assert four.begun == []
        for metadata in (bearer(OLD), bearer(NEW), bearer(SHOP), (("x-api-key", OLD),)):
            async with asyncio.timeout(PATIENCE):
                assert await call(kind, channel, metadata) == b"hi"
        assert four.begun == [kind.lower()] * 4


async def test_a_method_that_is_not_there_tells_strangers_nothing(keys: Path) -> None:
    async with four_kinds(keys) as (_, channel):
        method = channel.unary_unary("/test.Four/Five")
        assert await refused(method(b"", metadata=bearer(WRONG)))
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await method(b"", metadata=bearer(OLD))
        assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_request_of_a_stranger_is_not_read(keys: Path) -> None:
    async with four_kinds(keys) as (four, channel):
        # A call with one request that never sends it: it is answered all the same.
        silent = channel.stream_stream("/test.Four/One")(metadata=bearer(WRONG))
        async with asyncio.timeout(PATIENCE):
            assert await refused(silent.read())
        assert four.begun == []


async def test_idle_streams_of_every_kind_end_when_their_key_is_taken_away_and_others_go_on(keys: Path) -> None:
    async with four_kinds(keys) as (four, channel):

        async def opened(key: str) -> dict[str, Any]:
            up = channel.stream_unary("/test.Four/Up")(metadata=bearer(key))
            both = channel.stream_stream("/test.Four/Both")(metadata=bearer(key))
            down = channel.unary_stream("/test.Four/Down")(b"hi", metadata=bearer(key))
            await up.write(b"a")
            await both.write(b"hi")
            assert [await both.read(), await down.read()] == [b"hi", b"hi"]
            return {"up": up, "both": both, "down": down}

        old, new = await opened(OLD), await opened(NEW)
        await until(lambda: len(four.begun) == 6)
        replace(keys, lines(web=NEW, shop=SHOP))
        async with asyncio.timeout(PATIENCE):
            for name, stream in old.items():
                assert await refused(stream if name == "up" else stream.read()), name
        # The handlers were left, not forgotten.
        await until(lambda: sorted(four.ended) == ["both", "down", "up"])
        await new["both"].write(b"still")
        async with asyncio.timeout(PATIENCE):
            assert await new["both"].read() == b"still"
        await new["up"].write(b"b")
        await new["up"].done_writing()
        assert await new["up"] == b"ab"
        for stream in new.values():
            stream.cancel()


async def test_a_stream_that_is_being_written_to_when_its_key_goes_gives_every_message_before_the_end(
    keys: Path,
) -> None:
    async with four_kinds(keys) as (four, channel):
        both = channel.stream_stream("/test.Four/Both")(metadata=bearer(OLD))
        for number in range(50):
            await both.write(b"%d" % number)
            if number == 25:
                await until(lambda: four.heard == 26)
                replace(keys, lines(web=NEW))
        await until(lambda: refused(call("One", channel, bearer(OLD))))
        got: list[int] = []

        async def hear() -> None:
            async for message in both:
                got.append(int(message))  # noqa: PERF401 what came before the end counts

        async with asyncio.timeout(PATIENCE):
            assert await refused(hear())
        assert got == list(range(len(got)))
        assert len(got) >= 25
