"""The limits of the contract, one step inside and one step outside each."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event
from penchant.v1.recommendation_pb2 import Filter, ListOptions
from penchant_adapters import contract
from penchant_adapters.attribution import attribution_token
from penchant_core.errors import InvalidField
from penchant_core.tuning import Weights
from penchant_server import limits

from tests.encoder_models import picture

NOW = 1_790_000_000_000
NAN, INF = float("nan"), float("inf")


def event(**more: Any) -> Any:
    given: dict[str, Any] = {"user_id": "u", "type": "like", "item_id": "i", **more}
    return contract.event(Event(**given), Weights(), NOW)


def item(**more: Any) -> Any:
    return contract.item(Item(**{"item_id": "i", "title": "t", **more}))


def wish(**more: Any) -> Any:
    return limits.wish(ListOptions(filter=Filter(**more)))


def at(milliseconds: int) -> Timestamp:
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


INSIDE = [
    (event, {"user_id": "u" * 128}),
    (event, {"user_id": "香" * 42}),
    (event, {"event_id": "e" * 128}),
    (event, {"item_id": "i" * 128}),
    (event, {"item_id": "", "text": "x" * 8192}),
    (event, {"surface": "s" * 64}),
    (event, {"type": "rate", "value": 0.0}),
    (event, {"type": "rate", "value": 5.0}),
    (event, {"type": "dwell", "value": 86_400.0}),
    (event, {"type": "purchase", "value": 1e6}),
    (event, {"value": -1e9}),
    (event, {"occurred_at": at(NOW + 300_000)}),
    (event, {"occurred_at": at(631_152_000_000)}),
    (event, {"attribution_token": attribution_token("s" * 64, NOW)}),
    (item, {"title": "t" * 1024, "description": "d" * 16_384}),
    (item, {"title": "", "description": "d"}),
    (item, {"categories": [f"c{n}" for n in range(32)]}),
    (item, {"categories": ["same"] * 40}),
    (item, {"categories": ["c" * 128]}),
    (item, {"price": 0.0}),
    (item, {"price": 1e12}),
    (item, {"attributes": {f"k{n}": "v" * 1024 for n in range(32)}}),
    (item, {"attributes": {"k" * 64: ""}}),
    (item, {"images": [picture(9, 9, 9, 1_024), *(picture(9, 9, 9, kind=kind) for kind in ("JPEG", "PNG", "WEBP"))]}),
    (wish, {"min_price": 3.0, "max_price": 3.0}),
    (wish, {"exclude_item_ids": ["i"] * 1000}),
    (wish, {"attributes": {f"k{n}": "v" for n in range(8)}}),
]

OUTSIDE = [
    (event, {"user_id": ""}, "event.user_id: is required"),
    (event, {"user_id": "u" * 129}, "event.user_id: has 129 bytes, at most 128"),
    (event, {"user_id": "香" * 43}, "event.user_id: has 129 bytes, at most 128"),
    (event, {"user_id": " u"}, "event.user_id: "),
    (event, {"user_id": "u\n"}, "event.user_id: "),
    (event, {"user_id": "a\u200bb"}, "event.user_id: "),
    (event, {"event_id": "e" * 129}, "event.event_id: has 129 bytes"),
    (event, {"event_id": "e\x00"}, "event.event_id: "),
    (event, {"item_id": "i" * 129}, "event.item_id: has 129 bytes"),
    (event, {"item_id": ""}, "event.item_id: is required unless event.text is given"),
    (event, {"type": ""}, "event.type: is required"),
    (event, {"type": "t" * 65}, "event.type: has 65 bytes"),
    (event, {"type": "teleport"}, "event.type: 'teleport' has no weight; known: add_to_cart, click"),
    (event, {"text": "x" * 8193}, "event.text: has 8,193 bytes, at most 8,192"),
    (event, {"text": "x" * (1 << 20)}, "event.text: has 1,048,576 bytes"),
    (event, {"text": "\u200b\u2060 \n"}, "event.text: holds no readable character"),
    (event, {"text": "<b></b>&nbsp;"}, "event.text: holds no readable character"),
    (event, {"surface": "s" * 65}, "event.surface: has 65 bytes"),
    (event, {"value": NAN}, "event.value: nan"),
    (event, {"value": INF}, "event.value: inf"),
    (event, {"value": 1.0000001e9}, "event.value: "),
    (event, {"type": "rate", "value": -0.1}, "event.value: -0.1 is not within 0 and 5"),
    (event, {"type": "review", "value": 5.1}, "event.value: 5.1"),
    (event, {"type": "dwell", "value": 86_401.0}, "event.value: "),
    (event, {"type": "purchase", "value": -1.0}, "event.value: -1"),
    (event, {"occurred_at": at(NOW + 301_000)}, "event.occurred_at: is 301 s in the future"),
    (event, {"occurred_at": at(631_151_999_999)}, "event.occurred_at: 631151999999 ms is before 1990"),
    (event, {"occurred_at": Timestamp(seconds=NOW)}, "event.occurred_at: is "),
    (event, {"occurred_at": Timestamp(seconds=-(2**62))}, "event.occurred_at: "),
    (event, {"occurred_at": Timestamp(seconds=2**62)}, "event.occurred_at: "),
    (event, {"attribution_token": "A" * 513}, "event.attribution_token: has 513 bytes"),
    (event, {"attribution_token": "a1.?"}, "event.attribution_token: is not one that a reply carried"),
    (item, {"item_id": ""}, "item.item_id: is required"),
    (item, {"title": "t" * 1025}, "item.title: has 1,025 bytes"),
    (item, {"description": "d" * 16_385}, "item.description: has 16,385 bytes"),
    (item, {"title": "\u200b"}, "item.title: title or description must say something"),
    (item, {"categories": [f"c{n}" for n in range(33)]}, "item.categories: has 33 names"),
    (item, {"categories": ["c" * 129]}, "item.categories[]: has 129 bytes"),
    (item, {"categories": [""]}, "item.categories[]: is required"),
    (item, {"categories": ["\u200b"]}, "item.categories[]: holds no readable character"),
    (item, {"price": NAN}, "item.price: nan"),
    (item, {"price": -0.01}, "item.price: -0.01"),
    (item, {"price": 1.1e12}, "item.price: "),
    (item, {"attributes": {f"k{n}": "v" for n in range(33)}}, "item.attributes: has 33 entries"),
    (item, {"attributes": {"Key": "v"}}, "item.attributes: the key 'Key' may hold"),
    (item, {"attributes": {"a.b": "v"}}, "item.attributes: the key 'a.b' may hold"),
    (item, {"attributes": {"": "v"}}, "item.attributes key: is required"),
    (item, {"attributes": {"k" * 65: "v"}}, "item.attributes key: has 65 bytes"),
    (item, {"attributes": {"k": "v" * 1025}}, "item.attributes[k]: has 1,025 bytes"),
    (item, {"images": [picture(9, 9, 9)] * 5}, "item.images: has 5 pictures, at most 4"),
    (item, {"images": [picture(9, 9, 9), b""]}, "item.images[1]: is empty"),
    (item, {"images": [picture(9, 9, 9) + bytes(65_536)]}, "item.images[0]: has 6"),
    (item, {"images": [picture(9, 9, 9, 1_025)]}, "item.images[0]: is 1,025 × 1,025 pixels, at most 1,024"),
    (item, {"images": [picture(9, 9, 9, kind="GIF")]}, "item.images[0]: is no JPEG, PNG or WebP"),
    (item, {"images": [b"\x89PNG\r\n\x1a\n"]}, "item.images[0]: "),
    (wish, {"min_price": 3.0, "max_price": 2.0}, "filter.min_price: 3 is above max_price 2"),
    (wish, {"min_price": NAN}, "filter.min_price: nan"),
    (wish, {"max_price": INF}, "filter.max_price: inf"),
    (wish, {"min_price": -1.0}, "filter.min_price: -1"),
    (wish, {"categories": [f"c{n}" for n in range(33)]}, "filter.categories: has 33 names"),
    (wish, {"categories": ["\u200b"]}, "filter.categories[]: holds no readable character"),
    (wish, {"attributes": {f"k{n}": "v" for n in range(9)}}, "filter.attributes: has 9 entries"),
    (wish, {"exclude_item_ids": ["i"] * 1001}, "filter.exclude_item_ids: has 1,001 ids"),
    (wish, {"exclude_item_ids": [""]}, "filter.exclude_item_ids[]: is required"),
]


@pytest.mark.parametrize(("make", "given"), INSIDE)
def test_what_is_within_the_limits_is_taken(make: Any, given: dict[str, Any]) -> None:
    assert make(**given)


@pytest.mark.parametrize(("make", "given", "told"), OUTSIDE)
def test_what_is_outside_is_refused_by_field_limit_and_value(make: Any, given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidField) as refused:
        make(**given)
    assert str(refused.value).startswith(told)
    assert len(str(refused.value)) < 1_000


def test_an_event_without_id_gets_one_and_without_time_waits_for_the_ledger_to_know_it() -> None:
    one, other = event(), event()
    assert one.event_id != other.event_id
    assert len(one.event_id) == 32
    assert one.occurred_at == 0


def test_time_is_kept_to_the_millisecond_and_words_in_their_one_form() -> None:
    taken = event(occurred_at=Timestamp(seconds=1_700_000_000, nanos=123_999_999), text=" Ｔｒａｉｌ&amp;<b>run</b>\n")
    assert taken.occurred_at == 1_700_000_000_123
    assert taken.text == "Trail& run"


def test_a_value_is_absent_or_there() -> None:
    assert event().value is None
    assert event(value=0.0).value == 0.0


@pytest.mark.parametrize(("size", "taken"), [(0, 10), (1, 1), (100, 100)])
def test_a_page_has_ten_items_unless_more_or_fewer_are_wished_for(size: int, taken: int) -> None:
    assert limits.wish(ListOptions(page_size=size)).size == taken


@pytest.mark.parametrize("size", [101, 100_000, 2**32 - 1])
def test_a_longer_page_is_refused(size: int) -> None:
    with pytest.raises(InvalidField, match=r"options.page_size: .* is more than 100"):
        limits.wish(ListOptions(page_size=size))


@pytest.mark.parametrize("token", ["x", "-1", "1.0", "٣", "9" * 21, str(2**64), " 1"])
def test_a_page_token_that_no_page_carried_is_refused(token: str) -> None:
    with pytest.raises(InvalidField, match="page_token: is not one that a page carried"):
        limits.page_token(token)


def test_a_page_token_of_the_last_point_is_taken() -> None:
    assert limits.page_token(str(2**64 - 1)) == str(2**64 - 1)
    assert limits.page_token("") == ""


@pytest.mark.parametrize("size", [0, 1001])
def test_an_empty_batch_and_a_great_one_are_refused(size: int) -> None:
    limits.batch("items", 1)
    limits.batch("items", 1000)
    with pytest.raises(InvalidField, match=r"items: has [\d,]+ entries, 1–1,000 are allowed"):
        limits.batch("items", size)
