"""From the contract's messages to the client's results. Pure; the reverse of :mod:`penchant.encode`."""

from collections.abc import Iterable
from datetime import UTC

from penchant import model, results
from penchant.v1 import catalog_pb2, event_pb2, recommendation_pb2, user_pb2

_KINDS = {
    recommendation_pb2.Reason.KIND_CONTENT: results.ReasonKind.CONTENT,
    recommendation_pb2.Reason.KIND_TOGETHER: results.ReasonKind.TOGETHER,
    recommendation_pb2.Reason.KIND_POPULARITY: results.ReasonKind.POPULARITY,
    recommendation_pb2.Reason.KIND_DISLIKED: results.ReasonKind.DISLIKED,
    recommendation_pb2.Reason.KIND_LEARNED: results.ReasonKind.LEARNED,
}


def recorded(message: event_pb2.RecordEventResponse) -> results.Recorded:
    """Return the result of one recorded event."""
    return results.Recorded(message.event_id, message.freshness_token, message.unchanged)


def item(message: catalog_pb2.Item) -> model.Item:
    """Return the item as a plain value."""
    return model.Item(
        item_id=message.item_id,
        title=message.title,
        description=message.description,
        categories=tuple(message.categories),
        price=message.price if message.HasField("price") else None,
        unavailable=message.unavailable,
        attributes=dict(message.attributes),
        images=tuple(message.images),
    )


def recommendation(message: recommendation_pb2.Recommendation) -> results.Recommendation:
    """Return one entry of a list."""
    return results.Recommendation(
        item_id=message.item_id,
        score=message.score,
        interest=message.interest,
        item=item(message.item) if message.HasField("item") else None,
        reasons=tuple(_reason(reason) for reason in message.explanation.reasons),
        propensity=message.propensity,
    )


def recommended(messages: Iterable[recommendation_pb2.Recommendation]) -> tuple[results.Recommendation, ...]:
    """Return the entries of a list, in order."""
    return tuple(recommendation(message) for message in messages)


def recommendations(message: recommendation_pb2.RecommendResponse) -> results.Recommendations:
    """Return the reply to one request for recommendations."""
    return results.Recommendations(
        recommended(message.recommendations),
        message.attribution_token,
        freshness(message.freshness),
        message.profile,
        message.model,
    )


def freshness(message: recommendation_pb2.Freshness) -> results.Freshness:
    """Return how fresh a reply is."""
    return results.Freshness(message.applied_through, message.age.ToTimedelta())


def trigger(message: recommendation_pb2.Trigger) -> results.Trigger:
    """Return the event that moved a list."""
    return results.Trigger(message.event_id, message.type, message.item_id, message.text)


def interests(message: user_pb2.GetInterestsResponse) -> results.Interests:
    """Return what the service knows of a user."""
    return results.Interests(
        interests=tuple(
            results.Interest(one.share, tuple(_evidence(event) for event in one.evidence)) for one in message.interests
        ),
        dislikes=tuple(_evidence(event) for event in message.dislikes),
        event_count=message.event_count,
        freshness=freshness(message.freshness),
    )


def _evidence(message: user_pb2.Evidence) -> results.Evidence:
    return results.Evidence(
        event_id=message.event_id,
        type=message.type,
        item_id=message.item_id,
        text=message.text,
        occurred_at=message.occurred_at.ToDatetime(tzinfo=UTC),
        weight=message.weight,
    )


def _reason(message: recommendation_pb2.Reason) -> results.Reason:
    return results.Reason(
        kind=_KINDS.get(message.kind, results.ReasonKind.UNKNOWN),
        contribution=message.contribution,
        event_id=message.event_id,
        event_type=message.event_type,
        item_id=message.item_id,
        text=message.text,
    )
