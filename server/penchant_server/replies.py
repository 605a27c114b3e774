"""Domain values as protobuf."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from penchant.v1 import catalog_pb2, event_pb2, recommendation_pb2, user_pb2
from penchant_adapters.attribution import token_of
from penchant_core.explanation import Kind, Reason
from penchant_core.interests import Interests, Signal
from penchant_core.model import Event, Item
from penchant_core.pipeline import Recommended
from penchant_core.text import shorten
from penchant_core.voices import Source

_KINDS = {
    Kind.CONTENT: recommendation_pb2.Reason.KIND_CONTENT,
    Kind.TOGETHER: recommendation_pb2.Reason.KIND_TOGETHER,
    Kind.POPULARITY: recommendation_pb2.Reason.KIND_POPULARITY,
    Kind.DISLIKED: recommendation_pb2.Reason.KIND_DISLIKED,
    Kind.LEARNED: recommendation_pb2.Reason.KIND_LEARNED,
}


def stamp(milliseconds: int) -> Timestamp:
    """Return a time."""
    return Timestamp(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def item(known: Item) -> catalog_pb2.Item:
    """Return an item as it is stored."""
    return catalog_pb2.Item(
        item_id=known.item_id,
        title=known.title,
        description=known.description,
        categories=known.categories,
        price=known.price,
        unavailable=known.unavailable,
        attributes=known.attributes,
        images=known.images,
    )


def event(said: Event) -> event_pb2.Event:
    """Return an event as it goes to the log."""
    message = event_pb2.Event(
        event_id=said.event_id,
        user_id=said.user_id,
        type=said.type,
        item_id=said.item_id,
        text=said.text,
        value=said.value,
        surface=said.surface,
        attribution_token=token_of(said.attribution) if said.attribution else "",
    )
    if said.occurred_at:
        message.occurred_at.CopyFrom(stamp(said.occurred_at))
    return message


def recommendation(one: Recommended, options: recommendation_pb2.ListOptions) -> recommendation_pb2.Recommendation:
    """Return one item of a list."""
    message = recommendation_pb2.Recommendation(
        item_id=one.known.item.item_id, score=one.score, interest=one.interest, propensity=one.propensity
    )
    if options.include_items:
        message.item.CopyFrom(item(one.known.item))
    if options.explain:
        message.explanation.reasons.extend(reason(r) for r in one.reasons)
    return message


def recommendations(
    listing: Iterable[Recommended], options: recommendation_pb2.ListOptions
) -> list[recommendation_pb2.Recommendation]:
    """Return a list."""
    return [recommendation(one, options) for one in listing]


def reason(part: Reason) -> recommendation_pb2.Reason:
    """Return one part of a score."""
    message = recommendation_pb2.Reason(kind=_KINDS[part.kind], contribution=part.contribution)
    if part.event is not None:
        message.event_id = part.event.event_id
        message.event_type = part.event.type
        message.item_id = part.event.item_id
        if part.words:
            message.text = shorten(part.event.text)
    return message


def trigger(event: Event | None) -> recommendation_pb2.Trigger | None:
    """Return the event behind an update."""
    if event is None:
        return None
    return recommendation_pb2.Trigger(
        event_id=event.event_id, type=event.type, item_id=event.item_id, text=shorten(event.text)
    )


def _evidence(signal: Signal) -> user_pb2.Evidence:
    event = signal.event
    return user_pb2.Evidence(
        event_id=event.event_id,
        type=event.type,
        item_id=event.item_id if signal.source is Source.ITEM else "",
        text=shorten(event.text) if signal.source is Source.TEXT else "",
        occurred_at=stamp(event.occurred_at),
        weight=signal.weight,
    )


def interests(found: Interests) -> tuple[list[user_pb2.Interest], list[user_pb2.Evidence]]:
    """Return interests, strongest first, and dislikes, newest first."""
    told = []
    for number, share in enumerate(found.shares):
        signals = sorted((s for s in found.signals if s.interest == number), key=lambda s: -s.weight)
        told.append(user_pb2.Interest(share=share, evidence=[_evidence(s) for s in signals]))
    return told, [_evidence(s) for s in found.signals if s.weight < 0.0]
