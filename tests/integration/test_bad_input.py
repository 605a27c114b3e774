"""Bad requests over every RPC: the exact code, reason and field, and nothing changed."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2
from penchant.v1.catalog_pb2 import (
    DeleteItemsRequest,
    GetItemRequest,
    Item,
    ListItemsRequest,
    UpsertItemsRequest,
)
from penchant.v1.event_pb2 import Event, RecordEventRequest, RecordEventsRequest
from penchant.v1.recommendation_pb2 import (
    Filter,
    ListOptions,
    RecommendRequest,
    SearchItemsRequest,
    SimilarItemsRequest,
    StreamRecommendationsRequest,
    StreamStart,
    WatchRecommendationsRequest,
)
from penchant.v1.user_pb2 import GetInterestsRequest

from tests.integration.conftest import Client, copied, detail, reason, served, status

one_loop = pytest.mark.asyncio(loop_scope="module")

INVALID, NOT_FOUND, STALE = (code_pb2.INVALID_ARGUMENT, code_pb2.NOT_FOUND, code_pb2.FAILED_PRECONDITION)
MEGABYTE = "x" * (1 << 20)
NAN = float("nan")
Stream = StreamRecommendationsRequest


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """One service for the whole table: nothing may change, so nobody disturbs anybody."""
    async with served(copied(stocked, tmp_path_factory.mktemp("bad") / "store")) as client:
        await client.record("u", "like", "tent", event_id="first")
        await client.record("u", "search", text="apples")
        yield client


async def everything(client: Client) -> str:
    """A fingerprint of all that is stored."""
    store = client.store
    items, _ = await store.items.page("", 1000)
    parts = [
        await store.users.last(),
        await store.items.sequence(),
        await store.users.ledgers(["u", "v", "x", ""]),
        items,
        sorted((await store.items.counts([item.item_id for item in items])).items()),
        sorted((i, k.vector.tobytes()) for i, k in (await store.items.known([i.item_id for i in items])).items()),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def event(**more: Any) -> RecordEventRequest:
    return RecordEventRequest(event=Event(**{"user_id": "u", "type": "like", "item_id": "tent", **more}))


def recommend(**more: Any) -> RecommendRequest:
    return RecommendRequest(**{"user_id": "u", **more})


def options(**more: Any) -> RecommendRequest:
    return recommend(options=ListOptions(**more))


def only(**more: Any) -> RecommendRequest:
    return options(filter=Filter(**more))


def start(**more: Any) -> StreamStart:
    return StreamStart(**{"user_id": "u", **more})


FOREIGN = "f1.0123456789abcdef.0:1"
RESUME = "open.resume_token"
# Stub and method, request (a list for a stream of requests), code, reason, field.
REFUSED: list[tuple[str, Message | list[Message], int, str, str]] = [
    ("events.RecordEvent", event(item_id="nobody"), NOT_FOUND, "UNKNOWN_ITEM", "item_id"),
    ("events.RecordEvent", RecordEventRequest(), INVALID, "INVALID_FIELD", "event.type"),
    ("events.RecordEvent", event(user_id=""), INVALID, "INVALID_FIELD", "event.user_id"),
    ("events.RecordEvent", event(user_id="a\tb"), INVALID, "INVALID_FIELD", "event.user_id"),
    ("events.RecordEvent", event(event_id="x" * 129), INVALID, "INVALID_FIELD", "event.event_id"),
    ("events.RecordEvent", event(item_id=""), INVALID, "INVALID_FIELD", "event.item_id"),
    ("events.RecordEvent", event(type="teleport"), INVALID, "INVALID_FIELD", "event.type"),
    ("events.RecordEvent", event(type=MEGABYTE), INVALID, "INVALID_FIELD", "event.type"),
    ("events.RecordEvent", event(value=NAN), INVALID, "INVALID_FIELD", "event.value"),
    ("events.RecordEvent", event(value=float("-inf")), INVALID, "INVALID_FIELD", "event.value"),
    ("events.RecordEvent", event(type="rate", value=6.0), INVALID, "INVALID_FIELD", "event.value"),
    ("events.RecordEvent", event(occurred_at=Timestamp(seconds=2**40)), INVALID, "INVALID_FIELD", "event.occurred_at"),
    ("events.RecordEvent", event(occurred_at=Timestamp(seconds=1)), INVALID, "INVALID_FIELD", "event.occurred_at"),
    ("events.RecordEvent", event(text=MEGABYTE), INVALID, "INVALID_FIELD", "event.text"),
    ("events.RecordEvent", event(text="\u200b<br>"), INVALID, "INVALID_FIELD", "event.text"),
    ("events.RecordEvent", event(surface=MEGABYTE), INVALID, "INVALID_FIELD", "event.surface"),
    ("events.RecordEvent", event(attribution_token="a1.?"), INVALID, "INVALID_FIELD", "event.attribution_token"),
    ("events.RecordEvents", [RecordEventsRequest()], INVALID, "INVALID_FIELD", "events"),
    ("events.RecordEvents", [RecordEventsRequest(events=[Event()] * 1001)], INVALID, "INVALID_FIELD", "events"),
    ("items.UpsertItems", [UpsertItemsRequest()], INVALID, "INVALID_FIELD", "items"),
    ("items.UpsertItems", [UpsertItemsRequest(items=[Item()] * 1001)], INVALID, "INVALID_FIELD", "items"),
    ("items.DeleteItems", DeleteItemsRequest(), INVALID, "INVALID_FIELD", "item_ids"),
    ("items.DeleteItems", DeleteItemsRequest(item_ids=["x"] * 1001), INVALID, "INVALID_FIELD", "item_ids"),
    ("items.DeleteItems", DeleteItemsRequest(item_ids=["tent", ""]), INVALID, "INVALID_FIELD", "item_ids[]"),
    ("items.GetItem", GetItemRequest(), INVALID, "INVALID_FIELD", "item_id"),
    ("items.GetItem", GetItemRequest(item_id="nobody"), NOT_FOUND, "UNKNOWN_ITEM", "item_id"),
    ("items.ListItems", ListItemsRequest(page_size=100_000), INVALID, "INVALID_FIELD", "page_size"),
    ("items.ListItems", ListItemsRequest(page_token="first"), INVALID, "INVALID_FIELD", "page_token"),
    ("items.ListItems", ListItemsRequest(page_token="9" * 20), INVALID, "INVALID_FIELD", "page_token"),
    ("items.ListItems", ListItemsRequest(page_token="9" * 5_000), INVALID, "INVALID_FIELD", "page_token"),
    ("lists.Recommend", RecommendRequest(), INVALID, "INVALID_FIELD", "user_id"),
    ("lists.Recommend", recommend(user_id=MEGABYTE), INVALID, "INVALID_FIELD", "user_id"),
    ("lists.Recommend", recommend(surface="s" * 65), INVALID, "INVALID_FIELD", "surface"),
    ("lists.Recommend", recommend(min_freshness="soon"), INVALID, "INVALID_FIELD", "min_freshness"),
    ("lists.Recommend", recommend(min_freshness=MEGABYTE), INVALID, "INVALID_FIELD", "min_freshness"),
    ("lists.Recommend", recommend(min_freshness=f"f1.s.0:{'9' * 5_000}"), INVALID, "INVALID_FIELD", "min_freshness"),
    ("lists.Recommend", recommend(min_freshness=FOREIGN), STALE, "TOKEN_MISMATCH", "min_freshness"),
    ("lists.Recommend", options(page_size=100_000), INVALID, "INVALID_FIELD", "options.page_size"),
    ("lists.Recommend", only(min_price=2.0, max_price=1.0), INVALID, "INVALID_FIELD", "filter.min_price"),
    ("lists.Recommend", only(max_price=NAN), INVALID, "INVALID_FIELD", "filter.max_price"),
    ("lists.Recommend", only(categories=[f"{n}" for n in range(33)]), INVALID, "INVALID_FIELD", "filter.categories"),
    ("lists.Recommend", only(attributes={"A b": ""}), INVALID, "INVALID_FIELD", "filter.attributes"),
    ("lists.Recommend", only(exclude_item_ids=["x"] * 1001), INVALID, "INVALID_FIELD", "filter.exclude_item_ids"),
    ("lists.SimilarItems", SimilarItemsRequest(), INVALID, "INVALID_FIELD", "item_id"),
    ("lists.SimilarItems", SimilarItemsRequest(item_id="nobody"), NOT_FOUND, "UNKNOWN_ITEM", "item_id"),
    ("lists.SearchItems", SearchItemsRequest(), INVALID, "INVALID_FIELD", "query"),
    ("lists.SearchItems", SearchItemsRequest(query=MEGABYTE), INVALID, "INVALID_FIELD", "query"),
    ("lists.SearchItems", SearchItemsRequest(query="\u2060"), INVALID, "INVALID_FIELD", "query"),
    ("lists.WatchRecommendations", WatchRecommendationsRequest(), INVALID, "INVALID_FIELD", "open.user_id"),
    (
        "lists.WatchRecommendations",
        WatchRecommendationsRequest(open=start(resume_token="r1.~ ~")),
        INVALID,
        "INVALID_FIELD",
        RESUME,
    ),
    (
        "lists.WatchRecommendations",
        WatchRecommendationsRequest(open=start(resume_token="r1." + base64.b85encode(b"-1").decode())),
        INVALID,
        "INVALID_FIELD",
        RESUME,
    ),
    (
        "lists.WatchRecommendations",
        WatchRecommendationsRequest(open=start(resume_token="r1." + "0" * 20_000)),
        INVALID,
        "INVALID_FIELD",
        RESUME,
    ),
    (
        "lists.WatchRecommendations",
        WatchRecommendationsRequest(open=start(min_freshness=FOREIGN)),
        STALE,
        "TOKEN_MISMATCH",
        "min_freshness",
    ),
    ("lists.StreamRecommendations", [], INVALID, "INVALID_FIELD", "open"),
    ("lists.StreamRecommendations", [Stream()], INVALID, "INVALID_FIELD", "open"),
    ("lists.StreamRecommendations", [Stream(shown=Stream.Shown(positions=1))], INVALID, "INVALID_FIELD", "open"),
    ("lists.StreamRecommendations", [Stream(change=ListOptions())], INVALID, "INVALID_FIELD", "open"),
    (
        "lists.StreamRecommendations",
        [Stream(open=start(options=ListOptions(page_size=101)))],
        INVALID,
        "INVALID_FIELD",
        "options.page_size",
    ),
    (
        "lists.StreamRecommendations",
        [Stream(open=start()), Stream(shown=Stream.Shown(positions=101))],
        INVALID,
        "INVALID_FIELD",
        "shown.positions",
    ),
    (
        "lists.StreamRecommendations",
        [Stream(open=start()), Stream(shown=Stream.Shown(positions=1, stream_sequence=99))],
        INVALID,
        "INVALID_FIELD",
        "shown.stream_sequence",
    ),
    (
        "lists.StreamRecommendations",
        [Stream(open=start()), Stream(change=ListOptions(page_size=101))],
        INVALID,
        "INVALID_FIELD",
        "options.page_size",
    ),
    ("lists.StreamRecommendations", [Stream(open=start()), Stream()], INVALID, "INVALID_FIELD", "message"),
    ("lists.StreamRecommendations", [Stream(open=start()), Stream(open=start())], INVALID, "INVALID_FIELD", "message"),
    ("users.GetInterests", GetInterestsRequest(), INVALID, "INVALID_FIELD", "user_id"),
    (
        "users.GetInterests",
        GetInterestsRequest(user_id="u", min_freshness="x"),
        INVALID,
        "INVALID_FIELD",
        "min_freshness",
    ),
    (
        "users.GetInterests",
        GetInterestsRequest(user_id="u", min_freshness=FOREIGN),
        STALE,
        "TOKEN_MISMATCH",
        "min_freshness",
    ),
]


@one_loop
@pytest.mark.parametrize(
    ("method", "request_", "code", "why", "field"),
    REFUSED,
    ids=[f"{n:02}-{row[0].split('.')[1]}-{row[4]}" for n, row in enumerate(REFUSED)],
)
async def test_a_bad_request_is_refused_by_code_reason_and_field_and_changes_nothing(
    shared: Client, method: str, request_: Message | list[Message], code: int, why: str, field: str
) -> None:
    before = await everything(shared)
    stub, _, name = method.partition(".")
    call = getattr(getattr(shared, stub), name)(iter(request_) if isinstance(request_, list) else request_, timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call if hasattr(call, "__await__") else [answer async for answer in call]
    found = status(refused.value)
    assert (found.code, reason(found)) == (code, why)
    (violation,) = detail(found, error_details_pb2.BadRequest).field_violations
    assert violation.field == field
    assert violation.description
    assert len(found.message) < 1_000
    assert await everything(shared) == before


@one_loop
async def test_a_message_beyond_all_limits_is_refused_and_the_service_goes_on(shared: Client) -> None:
    before = await everything(shared)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await shared.lists.SearchItems(SearchItemsRequest(query="x" * (17 << 20)))
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await shared.listed("u")
    assert await everything(shared) == before
