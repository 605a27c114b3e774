"""A small service that behaves as the contract says, on a real socket, and can be stopped and started again.

What it knows lives in ``Knowledge``, as a real service's lives on its disk, so a restart loses connections only.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import grpc
from google.rpc import code_pb2
from grpc_status import rpc_status
from penchant.v1 import catalog_pb2 as catalog
from penchant.v1 import catalog_pb2_grpc, event_pb2_grpc, recommendation_pb2_grpc, user_pb2, user_pb2_grpc
from penchant.v1 import event_pb2 as events
from penchant.v1 import recommendation_pb2 as pb

from tests.unit.fake_knowledge import Context, Knowledge, status, unknown_item


class Events(event_pb2_grpc.EventServiceServicer):
    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    async def RecordEvent(self, request: events.RecordEventRequest, context: Context) -> events.RecordEventResponse:  # noqa: N802
        known = self._record(request.event)  # first, so that a fault hits after the effect
        await self._knowledge.play_faults(request, context)
        return events.RecordEventResponse(
            event_id=request.event.event_id, freshness_token=f"f{len(self._knowledge.recorded)}", unchanged=known
        )

    async def RecordEvents(  # noqa: N802
        self, request_iterator: AsyncIterator[events.RecordEventsRequest], context: Context
    ) -> AsyncIterator[events.RecordEventsResponse]:
        ordinal = 0
        async for request in request_iterator:
            await self._knowledge.play_faults(request, context)
            answers = []
            for event in request.events:
                refused = unknown_item(event.item_id) if event.item_id.startswith("unknown") else None
                unchanged = not refused and self._record(event)
                answers.append(
                    events.Acknowledgement(ordinal=ordinal, event_id=event.event_id, unchanged=unchanged, error=refused)
                )
                ordinal += 1
            await self._knowledge.maybe_crash(len(self._knowledge.recorded))
            # Two runs, since the contract does not promise one response for each request.
            middle = len(answers) // 2
            for run in (answers[:middle], answers[middle:]):
                yield events.RecordEventsResponse(acknowledgements=run, freshness_token=f"f{ordinal}")

    def _record(self, event: events.Event) -> bool:
        known = any(event.event_id == one.event_id for one in self._knowledge.recorded[-5_000:])
        if not known:
            self._knowledge.recorded.append(event)
        return known


class Catalog(catalog_pb2_grpc.CatalogServiceServicer):
    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    async def UpsertItems(  # noqa: N802
        self, request_iterator: AsyncIterator[catalog.UpsertItemsRequest], context: Context
    ) -> AsyncIterator[catalog.UpsertItemsResponse]:
        async for request in request_iterator:
            await self._knowledge.play_faults(request, context)
            answer = catalog.UpsertItemsResponse()
            for index, item in enumerate(request.items):
                if item.title:
                    self._knowledge.items[item.item_id] = item
                    answer.accepted += 1
                else:
                    error = status(code_pb2.INVALID_ARGUMENT, "item.title: title or description is required")
                    answer.refused.add(index=index, item_id=item.item_id, error=error)
            await self._knowledge.maybe_crash(len(self._knowledge.items))
            yield answer

    async def DeleteItems(  # noqa: N802
        self, request: catalog.DeleteItemsRequest, context: Context
    ) -> catalog.DeleteItemsResponse:
        await self._knowledge.play_faults(request, context)
        gone = [self._knowledge.items.pop(item_id, None) for item_id in request.item_ids]
        unknown = [item_id for item_id, item in zip(request.item_ids, gone, strict=True) if item is None]
        return catalog.DeleteItemsResponse(deleted=len(gone) - len(unknown), unknown_item_ids=unknown)

    async def GetItem(self, request: catalog.GetItemRequest, context: Context) -> catalog.GetItemResponse:  # noqa: N802
        await self._knowledge.play_faults(request, context)
        if request.item_id not in self._knowledge.items:
            await context.abort_with_status(  # type: ignore[attr-defined]
                rpc_status.to_status(unknown_item(request.item_id))
            )
        return catalog.GetItemResponse(item=self._knowledge.items[request.item_id])

    async def ListItems(self, request: catalog.ListItemsRequest, context: Context) -> catalog.ListItemsResponse:  # noqa: N802
        await self._knowledge.play_faults(request, context)
        first, size = int(request.page_token or 0), request.page_size or 100
        items = list(self._knowledge.items.values())
        more = str(first + size) if first + size < len(items) else ""
        return catalog.ListItemsResponse(items=items[first : first + size], next_page_token=more)


MODEL = "encoder@1"
"""What every list is made with."""


def described(item_id: str) -> pb.Recommendation:
    return pb.Recommendation(item_id=item_id, score=len(item_id))


def scored_with(options: pb.ListOptions) -> str:
    return f"{options.profile}@1" if options.profile else ""


@dataclass
class Live:
    """One stream's side of the contract."""

    sequence: int = 0
    order: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    snapshot: bool = True
    profile: str = ""

    @classmethod
    def opened(cls, start: pb.StreamStart) -> "Live":
        profile = scored_with(start.options)
        if not start.resume_token:
            return cls(profile=profile)
        sequence, order, pinned = json.loads(start.resume_token)
        shown = max(len(pinned), start.shown_positions)
        return cls(sequence, tuple(order), tuple(order[:shown]), snapshot=False, profile=profile)

    def next(self, order: Sequence[str], *, tokens: bool) -> pb.RecommendationUpdate | None:
        wanted = (*self.pinned, *(item_id for item_id in order if item_id not in self.pinned))
        if wanted == self.order and not self.snapshot:
            return None
        told = [item_id for item_id in wanted if self.snapshot or item_id not in self.order]
        self.order, self.sequence = wanted, self.sequence + 1
        update = pb.RecommendationUpdate(
            stream_sequence=self.sequence,
            order=wanted,
            snapshot=self.snapshot,
            recommendations=[described(item_id) for item_id in told],
            attribution_token=f"a{self.sequence}",
            resume_token=json.dumps([self.sequence, self.order, self.pinned]) if tokens else "",
            profile=self.profile,
            model=MODEL,
        )
        self.snapshot = False
        return update


class Recommendations(recommendation_pb2_grpc.RecommendationServiceServicer, user_pb2_grpc.UserServiceServicer):
    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    async def Recommend(self, request: pb.RecommendRequest, context: Context) -> pb.RecommendResponse:  # noqa: N802
        await self._knowledge.play_faults(request, context)
        answer = pb.RecommendResponse(
            attribution_token="a1",
            recommendations=self._list(request.options),
            profile=scored_with(request.options),
            model=MODEL,
        )
        answer.freshness.applied_through = "f1"
        answer.freshness.age.FromTimedelta(timedelta(milliseconds=20))
        return answer

    async def SimilarItems(self, request: pb.SimilarItemsRequest, context: Context) -> pb.SimilarItemsResponse:  # noqa: N802
        await self._knowledge.play_faults(request, context)
        return pb.SimilarItemsResponse(recommendations=self._list(request.options))

    async def SearchItems(self, request: pb.SearchItemsRequest, context: Context) -> pb.SearchItemsResponse:  # noqa: N802
        await self._knowledge.play_faults(request, context)
        return pb.SearchItemsResponse(recommendations=self._list(request.options))

    async def GetInterests(  # noqa: N802
        self, request: user_pb2.GetInterestsRequest, context: Context
    ) -> user_pb2.GetInterestsResponse:
        await self._knowledge.play_faults(request, context)
        mine = [event for event in self._knowledge.recorded if event.user_id == request.user_id]
        evidence = [
            user_pb2.Evidence(event_id=one.event_id, type=one.type, occurred_at=one.occurred_at, weight=1 / len(mine))
            for one in mine
        ]
        found = [user_pb2.Interest(share=1.0, evidence=evidence)] if mine else []
        return user_pb2.GetInterestsResponse(interests=found, event_count=len(mine))

    async def WatchRecommendations(  # noqa: N802
        self, request: pb.WatchRecommendationsRequest, context: Context
    ) -> AsyncIterator[pb.WatchRecommendationsResponse]:
        async for update in self._updates(request.open, Live.opened(request.open), context):
            yield pb.WatchRecommendationsResponse(update=update)

    async def StreamRecommendations(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.StreamRecommendationsRequest], context: Context
    ) -> AsyncIterator[pb.StreamRecommendationsResponse]:
        first = await anext(request_iterator)
        live = Live.opened(first.open)
        hearing = asyncio.create_task(self._hear(request_iterator, live))
        try:
            async for update in self._updates(first.open, live, context):
                yield pb.StreamRecommendationsResponse(update=update)
        finally:
            hearing.cancel()

    async def _hear(self, requests: AsyncIterator[pb.StreamRecommendationsRequest], live: Live) -> None:
        async for request in requests:
            if request.HasField("shown"):
                assert request.shown.stream_sequence == live.sequence
                live.pinned = live.order[: request.shown.positions]
            else:
                live.pinned, live.profile = (), scored_with(request.change)
            self._knowledge.said.append(request)

    async def _updates(
        self, start: pb.StreamStart, live: Live, context: Context
    ) -> AsyncIterator[pb.RecommendationUpdate]:
        self._knowledge.openings.append(start)
        await self._knowledge.play_faults(start, context)
        while True:
            pushed = self._knowledge.pushed
            update = live.next(self._knowledge.order, tokens=self._knowledge.tokens)
            if update is not None:
                if self._knowledge.farewells:
                    self._knowledge.farewells -= 1
                    update.going_away = True
                yield update
                if update.going_away:
                    return
            await pushed.wait()

    def _list(self, options: pb.ListOptions) -> list[pb.Recommendation]:
        answer = []
        for item_id in self._knowledge.order[: options.page_size]:
            answer.append(described(item_id))
            if options.include_items:
                answer[-1].item.CopyFrom(self._knowledge.items[item_id])
            if options.explain:
                answer[-1].explanation.reasons.add(kind=pb.Reason.KIND_TOGETHER, contribution=2.0, event_id="e1")
        return answer


class FakeService:
    """The service on a port of this machine."""

    def __init__(self) -> None:
        self.knowledge = Knowledge(crash=lambda: self._crashes.append(asyncio.create_task(self.restart())))
        self._crashes: list[asyncio.Task[None]] = []
        self._server: grpc.aio.Server | None = None
        self._port = 0

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        self._server = grpc.aio.server()
        recommendations = Recommendations(self.knowledge)
        event_pb2_grpc.add_EventServiceServicer_to_server(Events(self.knowledge), self._server)
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(Catalog(self.knowledge), self._server)
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(recommendations, self._server)
        user_pb2_grpc.add_UserServiceServicer_to_server(recommendations, self._server)
        self._port = self._server.add_insecure_port(f"127.0.0.1:{self._port}")
        await self._server.start()

    async def stop(self) -> None:
        """End everything at once, as a crash would."""
        assert self._server is not None
        await self._server.stop(None)

    async def restart(self) -> None:
        await self.stop()
        await self.start()


@asynccontextmanager
async def fake_service() -> AsyncIterator[FakeService]:
    service = FakeService()
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
