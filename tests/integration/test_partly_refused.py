"""Requests of which a part is bad: it is refused by name, the rest applies, and streams go on."""

import grpc
import pytest
from google.rpc import error_details_pb2
from penchant.v1.catalog_pb2 import DeleteItemsRequest, GetItemRequest, Item, ListItemsRequest, UpsertItemsRequest
from penchant.v1.event_pb2 import Event, RecordEventsRequest

from tests.integration.conftest import Client, catalogue, detail, reason

MEGABYTE = "x" * (1 << 20)
NAN = float("nan")

BAD_EVENTS = {
    "INVALID_FIELD": Event(user_id="x", type="like", item_id="tent", value=NAN),
    "UNKNOWN_ITEM": Event(user_id="x", type="like", item_id="nobody"),
}


async def test_a_refused_event_does_not_end_the_stream_and_the_others_are_learnt(service: Client) -> None:
    good = [Event(user_id="x", type="like", item_id=i, event_id=i) for i in ("tent", "stove", "boots")]
    bad = list(BAD_EVENTS.values())
    told = await service.deliver([good[0], bad[0], bad[1]], [bad[0]], [good[1], bad[1], good[2]])
    assert [one.ordinal for one in told] == list(range(7))
    reasons = [reason(one.error) if one.HasField("error") else "" for one in told]
    field, item = BAD_EVENTS
    assert reasons == ["", field, item, field, "", item, ""]
    assert [one.event_id for one in told if not one.HasField("error")] == ["tent", "stove", "boots"]
    ledger = (await service.store.users.ledgers(["x"]))["x"]
    assert {e.event_id for e in ledger.live} == {"tent", "stove", "boots"}


async def test_the_token_of_a_stream_proves_every_write_acknowledged_so_far(service: Client) -> None:
    good = Event(user_id="x", type="like", item_id="tent")
    worded = Event(user_id="x", type="review", item_id="tent", text="slow to encode " * 400)
    bad = BAD_EVENTS["INVALID_FIELD"]
    batches = [[bad], [worded], [good], [bad]]
    requests = iter([RecordEventsRequest(events=batch) for batch in batches])
    tokens = [answer.freshness_token async for answer in service.events.RecordEvents(requests)]
    assert tokens[0] == ""
    sequences = [int(token.rpartition(":")[2]) for token in tokens[1:]]
    assert sequences == sorted(sequences)
    assert sequences[-1] == await service.store.items.sequence() == 2


async def test_acknowledgements_before_a_request_that_ends_the_stream_still_come(service: Client) -> None:
    good = RecordEventsRequest(events=[Event(user_id="x", type="like", item_id="tent")])
    call = service.events.RecordEvents(iter([good, RecordEventsRequest()]))
    first = await call.read()
    assert not first.acknowledgements[0].HasField("error")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_refused_item_does_not_end_the_stream_and_the_others_are_there(service: Client) -> None:
    bad = [
        Item(item_id="a", title="a", price=NAN),
        Item(item_id="", title="no id"),
        Item(item_id="b", title="\u200b"),
        Item(item_id="c", title="c", categories=[f"{n}" for n in range(33)]),
        Item(item_id="d", title="d", attributes={"Bad Key": "x"}),
        Item(item_id="tent", title=MEGABYTE),
    ]
    fields = ["item.price", "item.item_id", "item.title", "item.categories", "item.attributes", "item.title"]
    good = [Item(item_id="new-1", title="first"), Item(item_id="new-2", title="second")]
    requests = [
        UpsertItemsRequest(items=[good[0], *bad]),
        UpsertItemsRequest(items=bad),
        UpsertItemsRequest(items=[good[1]]),
    ]
    answers = [answer async for answer in service.items.UpsertItems(iter(requests))]
    assert [answer.accepted for answer in answers] == [1, 0, 1]
    assert [one.index for one in answers[0].refused] == [1, 2, 3, 4, 5, 6]
    assert [one.item_id for one in answers[0].refused] == ["a", "", "b", "c", "d", "tent"]
    for answer in answers[:2]:
        found = [detail(one.error, error_details_pb2.BadRequest).field_violations[0].field for one in answer.refused]
        assert found == fields
        assert {reason(one.error) for one in answer.refused} == {"INVALID_FIELD"}
    listed = await service.items.ListItems(ListItemsRequest(page_size=1000))
    assert {item.item_id for item in listed.items} == {"new-1", "new-2", *(item.item_id for item in catalogue())}
    tent = (await service.items.GetItem(GetItemRequest(item_id="tent"))).item
    assert tent == next(item for item in catalogue() if item.item_id == "tent")


async def test_of_a_batch_with_one_bad_id_nothing_is_deleted_and_unknown_ids_are_told(service: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await service.items.DeleteItems(DeleteItemsRequest(item_ids=["tent", ""]))
    assert await service.items.GetItem(GetItemRequest(item_id="tent"))
    answer = await service.items.DeleteItems(DeleteItemsRequest(item_ids=["nobody", "tent", "tent"]))
    assert answer.deleted == 1
    assert answer.unknown_item_ids == ["nobody"]
