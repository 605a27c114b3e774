"""One message comes out of every encoding, and nothing but ``Undecodable`` comes of a bad record."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from penchant.v1 import catalog_pb2, event_pb2
from penchant_adapters.kafka.decoding import (
    KEY_MISMATCH,
    UNDECODABLE,
    UNKNOWN_SCHEMA,
    UNSUPPORTED_ENCODING,
    Headers,
    Undecodable,
    event_message,
    item_message,
)
from penchant_core.errors import PenchantError

Encoded = tuple[bytes, Headers]

TEXT = st.text(max_size=20)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.none() | st.builds(
    Timestamp, seconds=st.integers(-62_135_596_800, 253_402_300_799), nanos=st.integers(0, 999_999_999)
)
EVENTS = st.builds(
    event_pb2.Event,
    event_id=TEXT,
    user_id=TEXT,
    type=TEXT,
    item_id=TEXT,
    text=TEXT,
    value=NUMBERS,
    occurred_at=TIMES,
    surface=TEXT,
    attribution_token=TEXT,
)
ITEMS = st.builds(
    catalog_pb2.Item,
    item_id=TEXT,
    title=TEXT,
    description=TEXT,
    categories=st.lists(TEXT, max_size=3),
    price=NUMBERS,
    unavailable=st.booleans(),
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
)
EVENT = event_pb2.Event(event_id="e1", user_id="mei", type="view", item_id="tent")
RAW = EVENT.SerializeToString()


def compact(message: Message) -> bytes:
    return MessageToJson(message, indent=None).encode()


def cloud(message: Message, kind: str, **more: str) -> Headers:
    attributes = {"specversion": "1.0", "type": message.DESCRIPTOR.full_name, "id": "c1", "source": "/shop", **more}
    return [("content-type", kind.encode()), *((f"ce_{name}", text.encode()) for name, text in attributes.items())]


ENCODINGS: Mapping[str, Callable[[Message], Encoded]] = {
    "protobuf": lambda m: (m.SerializeToString(), []),
    "protobuf, said so": lambda m: (m.SerializeToString(), [("content-type", b"application/x-protobuf")]),
    "framed": lambda m: (b"\0\0\0\0\x2a\0" + m.SerializeToString(), []),
    "framed, list spelt out": lambda m: (b"\0\xff\xff\xff\xff\x02\0" + m.SerializeToString(), []),
    "JSON": lambda m: (compact(m), []),
    "JSON, said so": lambda m: (b" \r\n" + compact(m), [("content-type", b"Application/JSON; charset=utf-8")]),
    "JSON, names of the proto": lambda m: (MessageToJson(m, preserving_proto_field_name=True).encode(), []),
    "JSON, every field": lambda m: (MessageToJson(m, always_print_fields_with_no_presence=True).encode(), []),
    "CloudEvent of protobuf": lambda m: (m.SerializeToString(), cloud(m, "application/protobuf")),
    "CloudEvent of JSON": lambda m: (compact(m), cloud(m, "application/json")),
    "other headers": lambda m: (m.SerializeToString(), [("traceparent", b"00-1-1-01"), ("x", b"\xff")]),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(event=EVENTS)
def test_an_event_is_the_same_in_every_encoding(encoding: str, event: event_pb2.Event) -> None:
    value, headers = ENCODINGS[encoding](event)
    if encoding.startswith("CloudEvent") and not event.event_id:
        event.event_id = "c1"
    assert event_message(event.user_id.encode(), value, headers) == event


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(item=ITEMS)
def test_an_item_is_the_same_in_every_encoding(encoding: str, item: catalog_pb2.Item) -> None:
    value, headers = ENCODINGS[encoding](item)
    assert item_message(item.item_id.encode(), value, headers) == item


@given(
    key=st.none() | st.binary(max_size=8),
    value=st.none()
    | st.builds(
        lambda start, rest: start + rest,
        st.sampled_from([b"", b"\0", b"\0\0\0\0\1", b"{", b'{"userId":', b"[", RAW, b"\0\0\0\0\1\0" + RAW[:9]]),
        st.binary(max_size=60),
    ),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["content-type", "ce_specversion", "ce_type", "ce_id", "ce_time"]),
            st.sampled_from([b"1.0", b"penchant.v1.Event", b"application/json", b"2026-01-01T00:00:00Z"])
            | st.binary(max_size=8),
        ),
        max_size=5,
    ),
)
def test_whatever_the_bytes_are_only_a_refusal_is_raised(key: bytes, value: bytes, headers: Headers) -> None:
    for read in (event_message, item_message):
        with suppress(Undecodable):
            read(key, value, headers)


def refusal(value: bytes | None, headers: Headers = (), key: bytes | None = b"mei") -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        event_message(key, value, headers)
    assert isinstance(caught.value, PenchantError)
    assert str(caught.value).startswith(f"{caught.value.reason}: ")
    return caught.value


@pytest.mark.parametrize("key", [None, b"", b"Mei", b"mei ", b"\xff\xfe", "메이".encode("utf-16")])
def test_the_key_must_be_the_user(key: bytes | None) -> None:
    assert refusal(RAW, key=key).reason == KEY_MISMATCH
    assert refusal(b'{"user_id": "mei"}', key=key).reason == KEY_MISMATCH


def test_the_key_is_compared_byte_by_byte_however_alike_two_ids_look() -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    assert event_message(composed.encode(), event_pb2.Event(user_id=composed).SerializeToString(), ())
    assert refusal(event_pb2.Event(user_id=composed).SerializeToString(), key=decomposed.encode()).reason == (
        KEY_MISMATCH
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "null"),
        (RAW[:-1], "protobuf"),
        (b"\x01" + RAW, "protobuf"),
        (b"\x05" + RAW, "protobuf"),
        (b"\x0a\x02\xc3\x28", "protobuf"),
        (b"hello", "protobuf"),
        (b'{"user_id": "mei"', "JSON"),
        (b'{"user_id": "mei"} {}', "JSON"),
        (b'{"user_id": "mei", "colour": 1}', "colour"),
        (b'{"user_id": 7}', "userId|user_id"),
        (b'{"user_id": "\xff"}', "JSON"),
        (b'{"user_id": "\\ud800"}', "surrogate"),
        (b'{"value": 1e999}', "nfinity"),
        (b'{"value": ' + b"9" * 5_000 + b"}", "JSON"),
        (b'{"occurred_at": 1700000000}', "string"),
        (b'{"x": ' * 20_000, "JSON"),
        (b'{"x": ' + b"[" * 20_000, "JSON"),
    ],
)
def test_bytes_that_are_no_event_are_refused(value: bytes | None, problem: str) -> None:
    error = refusal(value)
    assert error.reason == UNDECODABLE
    assert re.search(problem, str(error))


@pytest.mark.parametrize("value", [b"[]", b'[{"user_id": "mei"}]', b"null", b'"mei"', b"7", b"", b"  "])
def test_json_that_is_not_one_object_is_refused(value: bytes) -> None:
    error = refusal(value, [("content-type", b"application/json")])
    assert error.reason == UNDECODABLE
    assert "one JSON object" in str(error)


def test_deep_groups_of_protobuf_are_refused() -> None:
    assert refusal(b"\x7b" * 10_000).reason == UNDECODABLE
    assert refusal(b"\xa3\x01" * 10_000).reason == UNDECODABLE


@pytest.mark.parametrize("size", range(1, 6))
def test_a_frame_that_is_cut_off_is_refused(size: int) -> None:
    frame = b"\0\0\0\0\x01\x02"
    error = refusal(frame[:size])
    assert error.reason == UNDECODABLE
    assert "frame" in str(error)
    assert refusal(frame).reason == UNDECODABLE
    assert refusal(b"\0\0\0\0\x01" + b"\xff" * 8).reason == UNDECODABLE


@pytest.mark.parametrize("indexes", [b"\x02\x02", b"\x04\0\0", b"\x01", b"\x02\x01", b"{"])
def test_a_frame_around_another_message_is_refused(indexes: bytes) -> None:
    error = refusal(b"\0\0\0\0\x01" + indexes + RAW)
    assert error.reason == UNKNOWN_SCHEMA
    assert "first message" in str(error)


def test_framed_json_says_what_is_wrong() -> None:
    assert "JSON Schema" in str(refusal(b"\0\0\0\0\x01" + compact(EVENT)))


@pytest.mark.parametrize(
    "headers",
    [
        [("ce_specversion", b"0.3"), ("ce_type", b"penchant.v1.Event")],
        [("ce_specversion", b"1.0"), ("ce_type", b"penchant.v2.Event")],
        [("ce_specversion", b"1.0"), ("ce_type", b"penchant.v1.Item")],
        [("ce_specversion", b"1.0")],
        [("ce_type", b"penchant.v1.Event")],
    ],
)
def test_cloud_events_of_another_kind_are_refused(headers: Headers) -> None:
    assert refusal(RAW, headers).reason == UNKNOWN_SCHEMA


@pytest.mark.parametrize("kind", ["application/cloudevents+json; charset=utf-8", "application/cloudevents-batch+json"])
def test_structured_cloud_events_are_refused_with_advice(kind: str) -> None:
    error = refusal(b'{"specversion": "1.0"}', [("content-type", kind.encode())])
    assert error.reason == UNSUPPORTED_ENCODING
    assert "binary mode" in str(error)


def test_a_cloud_event_gives_the_id_and_the_time_that_the_event_lacks() -> None:
    bare = event_pb2.Event(user_id="mei", type="view", item_id="tent")
    headers = cloud(bare, "application/x-protobuf", time="2026-11-24t10:00:00.5+02:00")
    event = event_message(b"mei", bare.SerializeToString(), headers)
    assert event.event_id == "c1"
    assert event.occurred_at.ToJsonString() == "2026-11-24T08:00:00.500Z"
    own = event_pb2.Event(event_id="mine", user_id="mei", occurred_at=Timestamp(seconds=7))
    assert event_message(b"mei", own.SerializeToString(), headers) == own


@pytest.mark.parametrize(
    "time", [b"yesterday", b"2026-11-24T10:00:00", b"0000-01-01T00:00:00Z", b"\xff", b"1732442400"]
)
def test_a_cloud_event_with_a_time_that_is_none_is_refused(time: bytes) -> None:
    headers = [*cloud(EVENT, "application/x-protobuf"), ("ce_time", time)]
    assert refusal(RAW, headers).reason == UNDECODABLE


def test_without_a_cloud_event_its_other_headers_mean_nothing() -> None:
    bare = event_pb2.Event(user_id="mei")
    assert event_message(b"mei", bare.SerializeToString(), [("ce_id", b"c1"), ("ce_time", b"x")]) == bare


def test_the_last_of_two_headers_counts() -> None:
    headers = [("content-type", b"application/cloudevents+json"), ("content-type", b"application/json")]
    assert event_message(b"mei", compact(EVENT), headers) == EVENT


def test_a_header_without_a_value_is_an_empty_one() -> None:
    nothing: Sequence[tuple[str, bytes]] = [("content-type", None)]  # type: ignore[list-item]  # as aiokafka gives it
    assert event_message(b"mei", RAW, nothing) == EVENT


def test_fields_of_a_newer_contract_are_passed_over_in_protobuf() -> None:
    assert event_message(b"mei", RAW + b"\xa2\x06\x03new", ()).item_id == "tent"


def test_an_item_without_a_value_is_deleted() -> None:
    assert item_message(b"tent", None, ()) is None
    assert item_message("帐篷".encode(), None, [("ce_type", b"x")]) is None


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_a_deletion_needs_a_key(key: bytes | None) -> None:
    with pytest.raises(Undecodable) as caught:
        item_message(key, None, ())
    assert caught.value.reason == KEY_MISMATCH


def test_an_items_key_must_be_its_id() -> None:
    value = json.dumps({"itemId": "tent", "title": "Light tent", "price": 250}).encode()
    assert item_message(b"tent", value, ()) == catalog_pb2.Item(item_id="tent", title="Light tent", price=250)
    with pytest.raises(Undecodable) as caught:
        item_message(b"boots", value, ())
    assert caught.value.reason == KEY_MISMATCH


def test_a_refusal_is_short_however_long_the_record_is() -> None:
    long = event_pb2.Event(user_id="u" * 100_000).SerializeToString()
    for error in (refusal(long), refusal(b'{"' + b"x" * 100_000 + b'": 1}'), refusal(RAW, key=b"k" * 100_000)):
        assert len(str(error)) < 1_000
