"""Keys of the real service, and the file that they stand in: changed, broken, mounted."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from penchant.v1.catalog_pb2 import ListItemsRequest, UpsertItemsRequest
from penchant.v1.event_pb2 import Event, RecordEventsRequest
from penchant.v1.recommendation_pb2 import RecommendRequest
from penchant.v1.user_pb2 import GetInterestsRequest
from structlog.testing import capture_logs

from tests.integration.access.conftest import (
    NEW,
    OLD,
    PATIENCE,
    SHOP,
    WATCH,
    WRONG,
    bearer,
    guarded,
    lines,
    refused,
    replace,
    until,
)
from tests.integration.conftest import catalogue


async def test_every_service_asks_for_a_key_health_does_not_and_reflection_does(store: Path, keys: Path) -> None:
    async with guarded(store, keys) as client:
        reflection = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        events = [Event(user_id="u", type="like", item_id="tent")]
        calls: dict[str, Callable[..., Any]] = {
            "Recommend": lambda **m: client.lists.Recommend(RecommendRequest(user_id="u"), **m),
            "ListItems": lambda **m: client.items.ListItems(ListItemsRequest(), **m),
            "GetInterests": lambda **m: client.users.GetInterests(GetInterestsRequest(user_id="u"), **m),
            "Watch": lambda **m: client.lists.WatchRecommendations(WATCH, **m).read(),
        }
        talks: dict[str, tuple[Callable[..., Any], Any]] = {
            "RecordEvents": (client.events.RecordEvents, RecordEventsRequest(events=events)),
            "UpsertItems": (client.items.UpsertItems, UpsertItemsRequest(items=catalogue()[:1])),
            "Reflection": (
                reflection.ServerReflectionInfo,
                reflection_pb2.ServerReflectionRequest(list_services=""),
            ),
        }
        for metadata in ((), bearer(WRONG)):
            for name, made in calls.items():
                assert await refused(made(metadata=metadata)), name
            for name, (talk, _) in talks.items():
                # Nothing is said: where a write fails as the call ends, grpc.aio puts its own status over the service's
                # (https://github.com/grpc/grpc/issues/36066).
                assert await refused(talk(metadata=metadata).read()), name
        told = await client.users.GetInterests(GetInterestsRequest(user_id="u"), metadata=bearer(OLD))
        assert told.event_count == 0
        for name, made in calls.items():
            assert not await refused(made(metadata=bearer(OLD))), name
        for name, (talk, request) in talks.items():
            assert not await refused(talk(iter([request]), metadata=bearer(OLD)).read()), name
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
