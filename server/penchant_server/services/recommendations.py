"""``RecommendationService`` and ``UserService``: what a user would like next, and what is known of a user."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import dataclass, replace

from google.protobuf.duration_pb2 import Duration
from penchant.v1 import recommendation_pb2, recommendation_pb2_grpc, user_pb2, user_pb2_grpc
from penchant_adapters import contract
from penchant_adapters.attribution import attribution_token
from penchant_adapters.telemetry import traces
from penchant_core.errors import InvalidField, Unavailable
from penchant_core.pipeline import Recommended, Wish
from penchant_core.profiles import Profile

from penchant_server import limits, replies
from penchant_server.answering import Answering
from penchant_server.explored import tell_explored
from penchant_server.journal import Journal
from penchant_server.live import Audience, Listener, LiveList
from penchant_server.profiles import Profiles
from penchant_server.stubs import Context
from penchant_server.tokens import freshness_marks, freshness_token, resumed

RETRY = 1.0
"""Seconds after which an open stream looks again for a store that was away."""


class Freshness:
    """Reads and writes freshness."""

    def __init__(self, journal: Journal, store_id: str) -> None:
        self._journal = journal
        self._store_id = store_id

    async def reached(self, token: str, context: Context) -> None:
        """Wait, within the call's deadline, until the write behind a token is applied."""
        if token:
            left = context.time_remaining()
            # A little is kept back, so that the answer is ours and not the transport's.
            await self._journal.reached(freshness_marks(token, self._store_id), left and max(0.0, left - 0.05))

    def now(self, user_id: str) -> recommendation_pb2.Freshness:
        """Return how fresh an answer to a user given now is."""
        age = Duration()
        age.FromNanoseconds(max(0, int(self._journal.age(user_id) * 1e9)))
        return recommendation_pb2.Freshness(
            applied_through=freshness_token(self._store_id, self._journal.marks(user_id)), age=age
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """How long streams live, and how fast they go."""

    max_age: float
    """Seconds after which a stream ends with a resume token."""
    push_interval: float
    """Seconds at least between two updates."""


def _label(profile: Profile | None) -> str:
    return profile.label if profile is not None else ""


def _pushing(trace: str) -> AbstractContextManager[object]:
    """Return the span of the list that a consumer's word led to."""
    return traces.span("push", context=traces.extracted([("traceparent", trace)])) if trace else nullcontext()


class RecommendationService(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Recommends."""

    def __init__(
        self,
        answering: Answering,
        profiles: Profiles,
        freshness: Freshness,
        audience: Audience,
        clock: Callable[[], int],
        pace: Pace,
    ) -> None:
        self._answering = answering
        self._profiles = profiles
        self._freshness = freshness
        self._audience = audience
        self._clock = clock
        self._pace = pace

    async def Recommend(  # noqa: N802 the name is gRPC's
        self, request: recommendation_pb2.RecommendRequest, context: Context
    ) -> recommendation_pb2.RecommendResponse:
        """Return one ranked list."""
        user_id = contract.identifier("user_id", request.user_id)
        wish, surface = self._wish(request.options), limits.surface(request.surface)
        await self._freshness.reached(request.min_freshness, context)
        freshness = self._freshness.now(user_id)
        listing, model = await self._answering.recommend(user_id, replace(wish, who=user_id))
        token = attribution_token(surface, self._clock(), _label(wish.profile))
        tell_explored(token, listing)
        return recommendation_pb2.RecommendResponse(
            recommendations=replies.recommendations(listing, request.options),
            attribution_token=token,
            freshness=freshness,
            profile=_label(wish.profile),
            model=model,
        )

    async def SimilarItems(  # noqa: N802 the name is gRPC's
        self, request: recommendation_pb2.SimilarItemsRequest, context: Context
    ) -> recommendation_pb2.SimilarItemsResponse:
        """Return items like one item."""
        del context
        item_id = contract.identifier("item_id", request.item_id)
        wish = self._wish(request.options)
        with self._answering.held() as recommender:
            listing = await recommender.similar(item_id, wish)
        return recommendation_pb2.SimilarItemsResponse(
            recommendations=replies.recommendations(listing, request.options),
            profile=_label(wish.profile),
            model=recommender.encoder_name,
        )

    async def SearchItems(  # noqa: N802 the name is gRPC's
        self, request: recommendation_pb2.SearchItemsRequest, context: Context
    ) -> recommendation_pb2.SearchItemsResponse:
        """Return items by meaning."""
        del context
        words = contract.words("query", request.query)
        with self._answering.held() as recommender:
            listing = await recommender.search(words, self._wish(request.options))
        return recommendation_pb2.SearchItemsResponse(
            recommendations=replies.recommendations(listing, request.options), model=recommender.encoder_name
        )

    async def WatchRecommendations(  # noqa: N802 the name is gRPC's
        self, request: recommendation_pb2.WatchRecommendationsRequest, context: Context
    ) -> AsyncIterator[recommendation_pb2.WatchRecommendationsResponse]:
        """Follow a user."""
        live = self._opened(request.open)
        with self._audience.listening(request.open.user_id) as listener:
            async with aclosing(self._updates(request.open, live, listener, context)) as updates:
                async for update in updates:
                    yield recommendation_pb2.WatchRecommendationsResponse(update=update)

    async def StreamRecommendations(  # noqa: N802 the name is gRPC's
        self, request_iterator: AsyncIterator[recommendation_pb2.StreamRecommendationsRequest], context: Context
    ) -> AsyncIterator[recommendation_pb2.StreamRecommendationsResponse]:
        """Follow a user and listen to the client."""
        first = await anext(request_iterator, None)
        if first is None or first.WhichOneof("message") != "open":
            raise InvalidField("open", "the first request of a stream must be open")
        live = self._opened(first.open)
        with self._audience.listening(first.open.user_id) as listener:
            hearing = asyncio.create_task(self._hear(request_iterator, live, listener))
            try:
                async with aclosing(self._updates(first.open, live, listener, context, hearing)) as updates:
                    async for update in updates:
                        yield recommendation_pb2.StreamRecommendationsResponse(update=update)
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)

    def _wish(self, options: recommendation_pb2.ListOptions) -> Wish:
        return limits.wish(options, self._profiles.named(options.profile))

    def _opened(self, start: recommendation_pb2.StreamStart) -> LiveList:
        contract.identifier("open.user_id", start.user_id)
        profile = self._wish(start.options).profile
        limits.surface(start.surface)
        if not start.resume_token:
            return LiveList(start.options, profile=profile)
        if start.shown_positions > limits.PAGE:
            raise InvalidField("open.shown_positions", f"{start.shown_positions:,} is more than {limits.PAGE}")
        live = LiveList.going_on(start.options, resumed(start.resume_token), start.shown_positions)
        live.profile = profile
        return live

    async def _hear(
        self,
        requests: AsyncIterator[recommendation_pb2.StreamRecommendationsRequest],
        live: LiveList,
        listener: Listener,
    ) -> None:
        try:
            async for request in requests:
                kind = request.WhichOneof("message")
                if kind == "shown":
                    if request.shown.positions > limits.PAGE:
                        raise InvalidField("shown.positions", f"{request.shown.positions:,} is more than {limits.PAGE}")
                    if not live.show(request.shown.positions, request.shown.stream_sequence):
                        raise InvalidField("shown.stream_sequence", "is none of the last 16 updates of this stream")
                elif kind == "change":
                    live.change(request.change, self._wish(request.change).profile)
                    listener.wake()
                else:
                    raise InvalidField("message", "only shown and change may follow open")
        finally:
            listener.wake()

    async def _updates(
        self,
        start: recommendation_pb2.StreamStart,
        live: LiveList,
        listener: Listener,
        context: Context,
        hearing: asyncio.Task[None] | None = None,
    ) -> AsyncGenerator[recommendation_pb2.RecommendationUpdate, None]:
        """Yield whenever the list moves, until the client leaves, the stream is old, or the service closes.

        A store that is away for a while delays updates; only a client that has no list yet is told.
        """
        await self._freshness.reached(start.min_freshness, context)
        ends, profile = time.monotonic() + self._pace.max_age, live.profile
        while True:
            going_away, update = self._audience.closing or time.monotonic() >= ends, None
            listing: list[Recommended] = []
            patience = ends - time.monotonic()
            trigger, listener.trigger = listener.trigger, None
            stale, listener.stale = listener.stale, frozenset()
            freshness = self._freshness.now(start.user_id)
            trace, listener.trace = listener.trace, ""
            try:
                with _pushing(trace):
                    listing, profile = await self._listing(start.user_id, live)
                    update = live.next(listing, stale)
            except Unavailable:
                if not live.order:
                    raise
                listener.called_in_vain(trigger, stale, trace)
                patience = min(patience, RETRY)
            if update is None and going_away:
                update = live.repeat()
            if update is not None:
                listener.showing = frozenset(update.order)
                message = replies.trigger(trigger)
                if message is not None:
                    update.trigger.CopyFrom(message)
                update.freshness.CopyFrom(freshness)
                update.profile = _label(profile)
                update.model = live.model
                update.attribution_token = attribution_token(start.surface, self._clock(), update.profile)
                tell_explored(update.attribution_token, listing, update.order)
                update.going_away = going_away
                yield update
                # What changes meanwhile is answered by one update afterwards: the latest.
                await asyncio.sleep(0 if going_away else self._pace.push_interval)
            if going_away:
                return
            await listener.called(max(0.0, patience))
            if hearing is not None and hearing.done():
                # The client closed its side, or said something wrong.
                hearing.result()
                return

    async def _listing(self, user_id: str, live: LiveList) -> tuple[list[Recommended], Profile | None]:
        """Return what a stream's list is made of, and the profile that it was scored with."""
        profile = live.profile = self._profiles.newest(live.options.profile, live.profile)
        wish = replace(limits.wish(live.options, profile), who=user_id, shown=live.shown)
        with self._answering.held() as recommender:
            ledger = await recommender.ledger(user_id)
            listing = await recommender.recommend(ledger, wish)
            listed = {one.known.item.item_id for one in listing}
            kept = await recommender.items([item_id for item_id in live.shown if item_id not in listed])
            live.made_by(recommender.encoder_name)
        return listing + kept, profile


class UserService(user_pb2_grpc.UserServiceServicer):
    """Shows what is known of a user."""

    def __init__(self, answering: Answering, profiles: Profiles, freshness: Freshness) -> None:
        self._answering = answering
        self._profiles = profiles
        self._freshness = freshness

    async def GetInterests(  # noqa: N802 the name is gRPC's
        self, request: user_pb2.GetInterestsRequest, context: Context
    ) -> user_pb2.GetInterestsResponse:
        """Return a user's interests, as the service's default profile weighs them."""
        user_id = contract.identifier("user_id", request.user_id)
        await self._freshness.reached(request.min_freshness, context)
        freshness = self._freshness.now(user_id)
        with self._answering.held() as recommender:
            ledger = await recommender.ledger(user_id)
            found = await recommender.interests(ledger, self._profiles.default)
        interests, dislikes = replies.interests(found)
        return user_pb2.GetInterestsResponse(
            interests=interests, dislikes=dislikes, event_count=len(ledger.live), freshness=freshness
        )
