"""Who may call: keys on all four kinds of RPC and for as long as a stream lasts, TLS, certificates that change."""

import asyncio
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import penchant
import pytest
import trustme
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from penchant import Tls, aio
from penchant.v1.catalog_pb2 import ListItemsRequest, UpsertItemsRequest
from penchant.v1.event_pb2 import Event, RecordEventsRequest
from penchant.v1.recommendation_pb2 import RecommendRequest, StreamStart, WatchRecommendationsRequest
from penchant.v1.user_pb2 import GetInterestsRequest
from penchant_adapters.settings_groups import AccessSettings
from penchant_server.access import bound, opened_access
from structlog.testing import capture_logs

from tests.integration.conftest import Client, Start, catalogue, reason, served, status

PATIENCE = 20.0
OLD, NEW, SHOP, WRONG = "pk_old", "pk_new", "pk_shop", "pk_nobody"
WATCH = WatchRecommendationsRequest(open=StreamStart(user_id="u"))
Metadata = tuple[tuple[str, str], ...]


def bearer(key: str) -> Metadata:
    return (("authorization", f"Bearer {key}"),)


def lines(**names: str) -> str:
    """The file's text: NAME=KEY,KEY."""
    return "".join(
        f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n"
        for name, keys in names.items()
        for key in keys.split(",")
    )


def replace(file: Path, text: str | None) -> None:
    """Put another file in the place of a file, in one step; None: none."""
    if text is None:
        file.unlink()
        return
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.replace(file)


async def until(true: Callable[[], Any]) -> None:
    """Wait for a fact, given as a function or as one that makes something to await."""
    async with asyncio.timeout(PATIENCE):
        while True:
            told = true()
            if await told if asyncio.iscoroutine(told) else told:
                return
            await asyncio.sleep(0.02)


async def refused(call: Any) -> bool:
    """True when a call is refused for its key; its answer otherwise goes by."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        found = status(error)
        assert (found.code, reason(found)) == (code_pb2.UNAUTHENTICATED, "UNAUTHENTICATED")
        return True
    return False


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(lines(web=f"{OLD},{NEW}", shop=SHOP))
    return file


# All four kinds of RPC, on a service of four methods.


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


# The real service.


@asynccontextmanager
async def guarded(store: Path, keys: Path) -> AsyncIterator[Client]:
    async with served(store, access=AccessSettings(api_keys_file=keys)) as client:
        yield client


async def test_every_service_asks_for_a_key_health_does_not_and_reflection_does(store: Path, keys: Path) -> None:
    async with guarded(store, keys) as client:
        calls: dict[str, Callable[..., Any]] = {
            "Recommend": lambda **m: client.lists.Recommend(RecommendRequest(user_id="u"), **m),
            "ListItems": lambda **m: client.items.ListItems(ListItemsRequest(), **m),
            "GetInterests": lambda **m: client.users.GetInterests(GetInterestsRequest(user_id="u"), **m),
            "Watch": lambda **m: client.lists.WatchRecommendations(WATCH, **m).read(),
            "RecordEvents": lambda **m: client.events.RecordEvents(
                iter([RecordEventsRequest(events=[Event(user_id="u", type="like", item_id="tent")])]), **m
            ).read(),
            "UpsertItems": lambda **m: client.items.UpsertItems(
                iter([UpsertItemsRequest(items=catalogue()[:1])]), **m
            ).read(),
            "Reflection": lambda **m: (
                reflection_pb2_grpc.ServerReflectionStub(client.channel)
                .ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), **m)
                .read()
            ),
        }
        for name, made in calls.items():
            assert await refused(made()), name
            assert await refused(made(metadata=bearer(WRONG))), name
        told = await client.users.GetInterests(GetInterestsRequest(user_id="u"), metadata=bearer(OLD))
        assert told.event_count == 0
        for name, made in calls.items():
            assert not await refused(made(metadata=bearer(OLD))), name
        check = health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest())
        assert (await check).status == health_pb2.HealthCheckResponse.SERVING


async def test_keys_are_changed_without_a_pause_and_the_stream_of_the_old_one_ends(store: Path, keys: Path) -> None:
    async with guarded(store, keys) as client:
        old, new = (client.lists.WatchRecommendations(WATCH, metadata=bearer(key)) for key in (OLD, NEW))
        assert len((await old.read()).update.order) == len((await new.read()).update.order) == 10
        replace(keys, lines(web=f"{NEW},pk_newest", shop=SHOP))
        async with asyncio.timeout(PATIENCE):
            assert await refused(old.read())
        recommend = client.lists.Recommend
        assert await refused(recommend(RecommendRequest(user_id="u"), metadata=bearer(OLD)))
        for key in (NEW, "pk_newest", SHOP):
            assert not await refused(recommend(RecommendRequest(user_id="u"), metadata=bearer(key)))
        events = [Event(user_id="u", type="like", item_id="tent")]
        await client.events.RecordEvents(iter([RecordEventsRequest(events=events)]), metadata=bearer(SHOP)).read()
        async with asyncio.timeout(PATIENCE):
            assert (await new.read()).update.order
        new.cancel()


async def test_a_broken_keys_file_changes_nothing_and_is_told_once_without_the_key(store: Path, keys: Path) -> None:
    async with guarded(store, keys) as client:

        def recommend(key: str) -> Any:
            return client.lists.Recommend(RecommendRequest(user_id="u"), metadata=bearer(key))

        stream = client.lists.WatchRecommendations(WATCH, metadata=bearer(OLD))
        await stream.read()
        with capture_logs() as told:
            for broken in (f"web {OLD}\n", "", None):
                before = len(told)
                replace(keys, broken)
                await until(lambda before=before: len(told) > before)  # type: ignore[misc]  # lambdas have no types
                for key in (OLD, NEW, SHOP):
                    assert not await refused(recommend(key))
            replace(keys, lines(web="pk_mended"))
            async with asyncio.timeout(PATIENCE):
                assert await refused(stream.read())
        assert not await refused(recommend("pk_mended"))
        assert await refused(recommend(SHOP))
        errors = [one for one in told if one["log_level"] == "error"]
        assert len(errors) == 3
        assert all(str(keys) in one["error"] for one in errors)
        assert "pk_" not in str(told)


async def test_a_mounted_secret_whose_link_moves_is_read_again(store: Path, tmp_path: Path) -> None:
    for number, key in enumerate((OLD, NEW)):
        (tmp_path / f"..{number}").mkdir()
        # Of one age and one size: only the file itself is another.
        (tmp_path / f"..{number}" / "keys").write_text(lines(web=key))
        os.utime(tmp_path / f"..{number}" / "keys", (1_790_000_000, 1_790_000_000))
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "keys").symlink_to("..data/keys")
    async with guarded(store, tmp_path / "keys") as client:
        recommend = client.lists.Recommend
        assert await refused(recommend(RecommendRequest(user_id="u"), metadata=bearer(NEW)))
        (tmp_path / "..next").symlink_to("..1")
        (tmp_path / "..next").replace(tmp_path / "..data")
        await until(lambda: refused(recommend(RecommendRequest(user_id="u"), metadata=bearer(OLD))))
        assert not await refused(recommend(RecommendRequest(user_id="u"), metadata=bearer(NEW)))


# TLS.


@dataclass
class Authority:
    """One that issues certificates, and files of them."""

    folder: Path
    made: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.made.cert_pem.write_to_path(self.ca)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Certificate and key."""
        pair = self.made.issue_cert(*(hosts or (name,)))
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        pair.cert_chain_pems[0].write_to_path(cert)
        pair.private_key_pem.write_to_path(key)
        return cert, key


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "theirs")


def access(authority: Authority, **more: Any) -> AccessSettings:
    cert, key = authority.issue("service", "127.0.0.1")
    return AccessSettings(cert_file=cert, key_file=key, **more)


async def answered(address: str, tls: bool | Tls, api_key: str = "") -> bool:
    """Whether a client of its own gets a list."""
    async with aio.Client(address, tls=tls, api_key=api_key, retries=0) as client:
        try:
            return len((await client.recommend("u")).items) == 10
        except penchant.Unavailable:
            return False


def shown(address: str) -> bytes:
    """The certificate that the service shows, in DER."""
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port)), 10) as plain, context.wrap_socket(plain) as secure:
        return secure.getpeercert(binary_form=True) or b""


def address_of(client: Client) -> str:
    assert client.service is not None
    return client.service.address


async def test_with_tls_a_client_is_answered_when_it_trusts_the_certificate(
    store: Path, ours: Authority, theirs: Authority
) -> None:
    async with served(store, access=access(ours)) as client:
        address = address_of(client)
        assert await answered(address, Tls(ours.ca))
        assert not await answered(address, Tls(theirs.ca))
        assert not await answered(address, tls=True)
        assert not await answered(address, tls=False)


async def test_with_mutual_tls_only_callers_with_a_certificate_of_the_right_kind_are_answered(
    store: Path, ours: Authority, theirs: Authority
) -> None:
    mine, other = ours.issue("caller"), theirs.issue("caller")
    async with served(store, access=access(ours, client_ca_file=ours.ca)) as client:
        address = address_of(client)
        assert await answered(address, Tls(ours.ca, cert=mine[0], key=mine[1]))
        assert not await answered(address, Tls(ours.ca))
        assert not await answered(address, Tls(ours.ca, cert=other[0], key=other[1]))


async def test_a_new_certificate_is_shown_to_new_connections_while_open_streams_go_on(
    store: Path, ours: Authority, theirs: Authority
) -> None:
    settings = access(ours)
    assert settings.cert_file is not None
    assert settings.key_file is not None
    async with served(store, access=settings) as client:
        address = address_of(client)
        credentials = grpc.ssl_channel_credentials(ours.ca.read_bytes())
        async with grpc.aio.secure_channel(address, credentials) as channel:
            old = Client(channel)
            stream = old.lists.WatchRecommendations(WATCH)
            await stream.read()
            first = await asyncio.to_thread(shown, address)
            cert, key = theirs.issue("service", "127.0.0.1")
            with capture_logs() as told:
                # One file after the other: in between they do not fit, and the pair before stays.
                shutil.copy(cert, settings.cert_file)
                assert await asyncio.to_thread(shown, address) == first
                assert await asyncio.to_thread(shown, address) == first
                assert [one["log_level"] for one in told] == ["error"]
                shutil.copy(key, settings.key_file)
                assert await asyncio.to_thread(shown, address) != first
            assert await answered(address, Tls(theirs.ca))
            assert not await answered(address, Tls(ours.ca))
            await old.record("u", "like", "tent")
            async with asyncio.timeout(PATIENCE):
                assert (await stream.read()).update.order
            stream.cancel()


@pytest.mark.parametrize("broken", ["not a certificate", "", None])
async def test_a_broken_certificate_changes_nothing_and_is_told_once(
    broken: str | None, store: Path, ours: Authority
) -> None:
    settings = access(ours)
    assert settings.cert_file is not None
    async with served(store, access=settings) as client:
        if broken is None:
            settings.cert_file.unlink()
        else:
            settings.cert_file.write_text(broken)
        with capture_logs() as told:
            for _ in range(3):
                assert await answered(address_of(client), Tls(ours.ca))
        assert [one["log_level"] for one in told] == ["error"]
        assert str(settings.cert_file) in told[0]["error"]


# The clients.


async def test_the_python_clients_send_the_key_with_every_kind_of_call(
    store: Path, keys: Path, ours: Authority
) -> None:
    async with served(store, access=access(ours, api_keys_file=keys)) as service:
        address, tls = address_of(service), Tls(ours.ca)
        async with aio.Client(address, tls=tls, api_key=NEW) as client:
            assert (await client.record("u", "like", item_id="tent")).event_id
            assert [one.error async for one in client.record_many([penchant.Event("u", "like", item_id="stove")])] == [
                None
            ]
            assert (await client.upsert_items([penchant.Item("hat", "A hat")])).accepted == 1
            async with client.stream("u") as stream:
                assert (await anext(stream)).recommendations
            assert (await anext(client.watch("u"))).recommendations
            asked = client.raw.recommendations.Recommend(RecommendRequest(user_id="u"), metadata=(("x-trace", "1"),))
            assert (await asked).recommendations

        def blocking() -> None:
            with penchant.Client(address, tls=tls, api_key=NEW) as client:
                assert client.recommend("u").items
                assert client.raw.recommendations.Recommend(RecommendRequest(user_id="u")).recommendations
                lists: Any = client.raw.recommendations.WatchRecommendations(WATCH)
                assert next(lists).update.order
                events = [RecordEventsRequest(events=[Event(user_id="u", type="like", item_id="tent")])]
                acknowledged: Any = client.raw.events.RecordEvents(iter(events))
                assert next(acknowledged).acknowledgements

        await asyncio.to_thread(blocking)


async def test_the_python_clients_say_when_a_key_is_missing_wrong_or_taken_away(store: Path, keys: Path) -> None:
    async with guarded(store, keys) as service:
        address = address_of(service)
        for key, told in (("", "there is no API key"), (WRONG, "none of this service's")):
            async with aio.Client(address, api_key=key) as client:
                with pytest.raises(penchant.Unauthenticated, match=told) as refusal:
                    await client.recommend("u")
                assert refusal.value.reason == "UNAUTHENTICATED"
                with pytest.raises(penchant.Unauthenticated):
                    await anext(client.watch("u"))
        async with aio.Client(address, api_key=OLD) as client:
            updates = client.watch("u")
            await anext(updates)
            replace(keys, lines(web=NEW))
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(penchant.Unauthenticated, match="was taken away"):
                    await anext(updates)


def test_the_commands_talk_to_a_service_with_tls_and_keys(up: Start, store: Path, keys: Path, ours: Authority) -> None:
    cert, key = ours.issue("service", "127.0.0.1")
    running = up(
        store,
        PENCHANT_ACCESS__CERT_FILE=str(cert),
        PENCHANT_ACCESS__KEY_FILE=str(key),
        PENCHANT_ACCESS__API_KEYS_FILE=str(keys),
        PENCHANT_API_KEY="none of the service's business",
    )
    penchant_command = str(Path(sys.executable).parent / "penchant")

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PENCHANT_TARGET": running.address, "NO_COLOR": "1", **variables}
        return subprocess.run(
            [penchant_command, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    listed = run("recommend", "u", "--json", "--ca", str(ours.ca), "--api-key", NEW)
    assert "tent" in listed.stdout, listed.stderr
    listed = run("recommend", "u", "--json", PENCHANT_CLIENT_CA=str(ours.ca), PENCHANT_API_KEY=NEW)
    assert "tent" in listed.stdout, listed.stderr
    wrong = run("recommend", "u", "--ca", str(ours.ca), "--api-key", WRONG)
    assert (wrong.returncode, "none of this service's" in wrong.stderr) == (1, True)
    file = store.parent / "items.csv"
    file.write_text("item_id,title\nhat,A hat\n")
    state = ("--state", str(store.parent / "state"))
    imported = run("import", "items", str(file), "--ca", str(ours.ca), "--api-key", NEW, *state)
    assert imported.returncode == 0, imported.stdout + imported.stderr
    imported = run("import", "items", str(file), "--restart", "--ca", str(ours.ca), *state)
    assert imported.returncode != 0
    assert "there is no API key" in imported.stdout + imported.stderr


def test_keys_are_made_for_the_file_and_the_file_can_be_checked(tmp_path: Path) -> None:
    penchant_command = str(Path(sys.executable).parent / "penchant")

    def run(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [penchant_command, "keys", *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr

    code, key, _ = run("new", "web", "--file", "keys")
    assert code == 0
    assert key.startswith("pk_")
    assert (tmp_path / "keys").read_text() == lines(web=key.strip())
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0
    code, printed, _ = run("new", "shop")
    shown_key, line = printed.splitlines()
    assert line + "\n" == lines(shop=shown_key)
    with (tmp_path / "keys").open("a") as file:
        file.write(line)
    assert run("new", "web", "--file", "keys")[0] == 0
    assert run("check", "keys") == (0, "shop: 1 key\nweb: 2 keys\n", "")
    before = (tmp_path / "keys").read_text()
    code, printed, told = run("new", "web", "--file", "keys")
    assert (code, printed, (tmp_path / "keys").read_text()) == (2, "", before)
    assert "line 4: web has two keys already" in told
    (tmp_path / "keys").write_text(f"web {key}")
    code, printed, told = run("check", "keys")
    assert (code, printed) == (2, "")
    assert "keys, line 1" in told
    assert key.strip() not in told
