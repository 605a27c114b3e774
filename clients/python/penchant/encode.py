"""From the caller's values to the contract's messages. Pure; values that cannot be sent raise before anything is."""

import uuid
from collections.abc import Collection, Mapping
from typing import TypedDict

from google.protobuf.timestamp_pb2 import Timestamp

from penchant import model
from penchant.errors import InvalidArgument
from penchant.v1 import catalog_pb2, event_pb2, recommendation_pb2

REQUEST_BYTES = 1 << 20
"""A request is closed before it grows beyond this; gRPC servers refuse messages above 4 MiB by default."""


class ListOptions(TypedDict, total=False):
    """What a list should look like; every verb that answers with a list takes these keywords."""

    page_size: int
    """Items wanted, 1–100, by default 10. Fewer come when the filter leaves fewer."""
    categories: Collection[str]
    """Items in any of these categories, at most 32; empty: all."""
    attributes: Mapping[str, str] | None
    """Items with all of these attribute values, at most 8."""
    min_price: float | None
    """Lowest price, inclusive; an item without a price does not match."""
    max_price: float | None
    """Highest price, inclusive; an item without a price does not match."""
    exclude: Collection[str]
    """Never these item ids, at most 1,000."""
    include_seen: bool
    """True allows items the user has acted on; by default they are left out."""
    include_items: bool
    """True adds the stored item to every recommendation."""
    explain: bool
    """True adds its reasons to every recommendation."""
    profile: str
    """Name of the profile to score with, one of those that the service has; empty: its default. :meth:`Client.search`
    scores by meaning alone."""


def list_options(
    *,
    page_size: int = 10,
    categories: Collection[str] = (),
    attributes: Mapping[str, str] | None = None,
    min_price: float | None = None,
    max_price: float | None = None,
    exclude: Collection[str] = (),
    include_seen: bool = False,
    include_items: bool = False,
    explain: bool = False,
    profile: str = "",
) -> recommendation_pb2.ListOptions:
    """Return the message for :class:`ListOptions`; unknown keywords, or a string for a collection, raise TypeError."""
    wanted = recommendation_pb2.Filter(
        categories=_names("categories", categories),
        attributes=attributes,
        min_price=min_price,
        max_price=max_price,
        exclude_item_ids=_names("exclude", exclude),
        include_seen=include_seen,
    )
    return recommendation_pb2.ListOptions(
        page_size=page_size, filter=wanted, include_items=include_items, explain=explain, profile=profile
    )


def _names(field: str, names: Collection[str]) -> Collection[str]:
    # A string is a collection of its letters: without this check categories="shoes" would quietly match nothing.
    if isinstance(names, str):
        raise TypeError(f"{field} takes several names; write {field}=[{names!r}]")
    return names


def event(value: model.Event | event_pb2.Event) -> event_pb2.Event:
    """Return the event's message, with an id in any case.

    Raises ValueError for a time without a time zone, and InvalidArgument for an event that no request has room for.
    """
    message = _event(value)
    if (size := message.ByteSize()) > REQUEST_BYTES:
        raise InvalidArgument(f"event: {size} bytes, a request takes at most {REQUEST_BYTES}", field="event")
    return message


def kafka_record(value: model.Event | event_pb2.Event) -> tuple[bytes, bytes]:
    """Return key and value of the record that says the same to Penchant's topic of events; see docs/producing.md.

    Give them to a producer with Kafka's own partitioner, murmur2, and the header ``content-type``
    ``application/x-protobuf``. Raises what :func:`event` raises, and InvalidArgument for an event without a user.
    """
    message = event(value)
    if not message.user_id:
        raise InvalidArgument("event.user_id: is empty, and it is the key", field="event.user_id")
    return message.user_id.encode(), message.SerializeToString()


def _event(value: model.Event | event_pb2.Event) -> event_pb2.Event:
    if isinstance(value, event_pb2.Event):
        if value.event_id:
            return value
        message = event_pb2.Event()
        message.CopyFrom(value)
        message.event_id = _new_id()
        return message
    occurred_at = None
    if value.occurred_at is not None:
        if value.occurred_at.utcoffset() is None:
            raise ValueError(f"occurred_at: {value.occurred_at} has no time zone; use datetime.now(timezone.utc)")
        occurred_at = Timestamp()
        occurred_at.FromDatetime(value.occurred_at)
    return event_pb2.Event(
        event_id=value.event_id or _new_id(),
        user_id=value.user_id,
        type=value.type,
        item_id=value.item_id,
        text=value.text,
        value=value.value,
        occurred_at=occurred_at,
        surface=value.surface,
        attribution_token=value.attribution_token,
    )


def _new_id() -> str:
    return str(uuid.uuid4())


def item(value: model.Item | catalog_pb2.Item) -> catalog_pb2.Item:
    """Return the item's message."""
    if isinstance(value, catalog_pb2.Item):
        return value
    return catalog_pb2.Item(
        item_id=value.item_id,
        title=value.title,
        description=value.description,
        categories=_names("categories", value.categories),
        price=value.price,
        unavailable=value.unavailable,
        attributes=value.attributes,
        images=value.images,
    )
