"""A service of a later contract: ``python -m tests.conformance.later --listen HOST:PORT``.

It says everything that today's contract says, and more: fields with new numbers, a new kind of reason, errors with new
reasons and details, and messages on streams that carry nothing that is known today.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from penchant.v1 import catalog_pb2, event_pb2, event_pb2_grpc, recommendation_pb2_grpc
from penchant.v1 import recommendation_pb2 as pb

Said = TypeVar("Said", bound=Message)
Context = grpc.aio.ServicerContext[Any, Any]

_UNKNOWN_FIELDS = bytes.fromhex("ca3e036e6577d03e2ad93e0000000000000840e53e00004040")
"""Fields 1001 to 1004: a string, a varint, a double and a float."""


def later(message: Said) -> Said:
    """Return a message with fields that are not known today."""
    message.MergeFromString(_UNKNOWN_FIELDS)
    return message


def listed(*item_ids: str) -> list[pb.Recommendation]:
    """Return a list with reasons of kinds of today and of a later day."""
    found = []
    for position, item_id in enumerate(item_ids):
        one = later(pb.Recommendation(item_id=item_id, score=2.0 - position))
        one.item.CopyFrom(later(catalog_pb2.Item(item_id=item_id, title=f"The {item_id}")))
        one.explanation.reasons.append(later(pb.Reason(kind=pb.Reason.KIND_TOGETHER, contribution=1.5)))
        one.explanation.reasons.add(contribution=0.5).MergeFromString(b"\x08\x63")  # kind: 99
        later(one.explanation)
        found.append(one)
    return found


def updated(sequence: int, *item_ids: str, told: tuple[str, ...] | None = None) -> pb.RecommendationUpdate:
    """Return an update of a list."""
    return later(
        pb.RecommendationUpdate(
            stream_sequence=sequence,
            order=item_ids,
            snapshot=sequence == 1,
            recommendations=listed(*(item_ids if told is None else told)),
            resume_token=f"r{sequence}",
            trigger=later(pb.Trigger(event_id=f"e{sequence}", type="glance", item_id=item_ids[0])),
        )
    )


class Later(
    event_pb2_grpc.EventServiceServicer,
    recommendation_pb2_grpc.RecommendationServiceServicer,
):
    """What is asked of it in the case ``a_later_service``."""

    async def RecordEvents(  # noqa: N802
        self, requests: AsyncIterator[event_pb2.RecordEventsRequest], _: Context
    ) -> AsyncIterator[event_pb2.RecordEventsResponse]:
        """Acknowledge what came, after a message that says something else."""
        ordinal = 0
        async for request in requests:
            yield later(event_pb2.RecordEventsResponse())
            answer = later(event_pb2.RecordEventsResponse(freshness_token=f"f{ordinal}"))
            for event in request.events:
                error = refusal() if event.type == "refused" else None
                one = event_pb2.Acknowledgement(ordinal=ordinal, event_id=event.event_id, error=error)
                answer.acknowledgements.append(later(one))
                ordinal += 1
            yield answer

    async def Recommend(self, request: pb.RecommendRequest, context: Context) -> pb.RecommendResponse:  # noqa: N802
        """Answer, or refuse a user for a reason of a later day."""
        if request.user_id == "refused":
            await context.abort_with_status(rpc_status.to_status(refusal()))  # type: ignore[attr-defined]
        return later(pb.RecommendResponse(recommendations=listed("b", "a"), attribution_token="a1"))

    async def WatchRecommendations(  # noqa: N802
        self, _: pb.WatchRecommendationsRequest, context: Context
    ) -> AsyncIterator[pb.WatchRecommendationsResponse]:
        """Two updates, with a message before each that has none."""
        for update in self._updates():
            yield later(pb.WatchRecommendationsResponse())
            yield later(pb.WatchRecommendationsResponse(update=update))
        await asyncio.get_running_loop().create_future()

    async def StreamRecommendations(  # noqa: N802
        self, requests: AsyncIterator[pb.StreamRecommendationsRequest], context: Context
    ) -> AsyncIterator[pb.StreamRecommendationsResponse]:
        """Answer as WatchRecommendations does; the second update comes when positions are shown."""
        first, second = self._updates()
        await anext(requests)
        yield later(pb.StreamRecommendationsResponse())
        yield later(pb.StreamRecommendationsResponse(update=first))
        await anext(requests)
        yield later(pb.StreamRecommendationsResponse())
        yield later(pb.StreamRecommendationsResponse(update=second))
        await asyncio.get_running_loop().create_future()

    @staticmethod
    def _updates() -> tuple[pb.RecommendationUpdate, pb.RecommendationUpdate]:
        return updated(1, "a", "b"), updated(2, "c", "a", told=("c",))


def refusal() -> status_pb2.Status:
    """Return an error with a reason, and a detail, that nobody knows today."""
    details = [AnyMessage(type_url="type.googleapis.com/penchant.v2.Advice", value=b"\x0a\x03new")]
    for known in (
        error_details_pb2.ErrorInfo(reason="REASON_OF_A_LATER_DAY", domain="penchant"),
        error_details_pb2.BadRequest(
            field_violations=[error_details_pb2.BadRequest.FieldViolation(field="event.mood", description="too gloomy")]
        ),
    ):
        details.append(AnyMessage())
        details[-1].Pack(known)
    return status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message="the mood does not fit", details=details)


async def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True)
    server = grpc.aio.server()
    servicer = Later()  # type: ignore[abstract]  # what the case does not ask for is not there
    event_pb2_grpc.add_EventServiceServicer_to_server(servicer, server)
    recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(servicer, server)
    server.add_insecure_port(parser.parse_args().listen)
    await server.start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
