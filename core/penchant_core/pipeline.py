"""The two stories of Penchant: *learn* from what people do, *recommend* what they will like. Read this first.

Learning is two steps with a durable commit each. The user side folds events into ledgers, a set, so delivery in any
order and any number of times is harmless. The item side adds up counts, where twice is not once: every commit carries
its flow and a sequence number, and the counts are saved together with the sequence they include. After a crash between
the two, ``recover`` adds the one flow that is missing, exactly once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from penchant_core.counts import changes_of
from penchant_core.covisitation import Flow, added, fold
from penchant_core.errors import EncoderFailed, PenchantError, UnknownItem
from penchant_core.explanation import Reason, explain
from penchant_core.exploring import Exploring, Place
from penchant_core.interests import (
    Interests,
    Known,
    interests_of,
    of_item,
    of_words,
)
from penchant_core.ledger import Ledger, timed
from penchant_core.model import Event, Filter, Item
from penchant_core.ports import (
    Candidate,
    Catalogue,
    Commit,
    Encoder,
    Ledgers,
    Query,
    Retriever,
    Shelves,
    Tally,
    Users,
)
from penchant_core.profiles import Profile
from penchant_core.ranking import balanced, interests_served, ranked
from penchant_core.reading import Reader
from penchant_core.spaces import Space, Spaces, Standing
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Tuning
from penchant_core.vectors import Vector, unit


@dataclass(frozen=True, slots=True)
class Library:
    """The ports that state is read through."""

    users: Ledgers
    catalogue: Shelves
    retriever: Retriever


@dataclass(frozen=True, slots=True)
class Stores:
    """The ports that state lives behind, of a store with one writer."""

    users: Users
    catalogue: Catalogue
    tally: Tally
    retriever: Retriever

    @property
    def library(self) -> Library:
        """The reading half."""
        return Library(self.users, self.catalogue, self.retriever)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What became of an event: ``error`` is set when it was refused, and then it changed nothing."""

    event: Event
    unchanged: bool = False
    error: PenchantError | None = None


class Learner:
    """The first story. One learner at a time may write to a store."""

    def __init__(
        self,
        stores: Stores,
        encoder: Encoder | Spaces,
        tuning: Tuning,
        clock: Callable[[], int],
    ) -> None:
        """*encoder*: the only one, or the spaces of several."""
        self._stores = stores
        if not isinstance(encoder, Spaces):
            encoder = Spaces(Standing(Space(encoder, stores.catalogue, stores.retriever)))
        self._spaces = encoder
        self._tuning = tuning
        self._clock = clock
        self._settled = False
        self.sequence = 0
        """Sequence of the last commit that is wholly applied."""

    async def recover(self) -> None:
        """Bring the counts up to the users' last commit; to be called before learning, harmless at any time."""
        sequence, flow = await self._stores.users.last()
        if await self._stores.tally.sequence() < sequence:
            await self._count(flow, sequence)
        self.sequence, self._settled = sequence, True

    async def learn(self, events: Sequence[Event]) -> list[Learnt]:
        """Learn from a batch; return what became of each event, in order. All that is learnt is durable and applied."""
        if not self._settled:
            await self.recover()
        with self._spaces.held() as standing:
            return await self._learn(events, standing)

    async def _learn(self, events: Sequence[Event], standing: Standing) -> list[Learnt]:
        known = await standing.active.catalogue.known(list({e.item_id for e in events if e.item_id}))
        before = await self._stores.users.ledgers(list({event.user_id for event in events}))
        news: dict[str, dict[Event, None]] = {}
        learnt = []
        now = self._clock()
        for event in events:
            if event.item_id and event.item_id not in known:
                learnt.append(Learnt(event, error=UnknownItem(event.item_id)))
                continue
            heard = news.setdefault(event.user_id, {})
            event = timed(event, chain(before[event.user_id].slots, heard), now)  # noqa: PLW2901 one event, timed
            unchanged = event in heard or not before[event.user_id].learns_from(event)
            if not unchanged:
                heard[event] = None
            learnt.append(Learnt(event, unchanged=unchanged))
        settings = self._tuning.covisitation
        folds = {
            user: fold(before[user], list(heard), self._tuning.weights, settings)
            for user, heard in news.items()
            if heard
        }
        if folds:
            ledgers = {user: ledger for user, (ledger, _) in folds.items()}
            await self._commit(ledgers, added(flow for _, flow in folds.values()), standing)
        return learnt

    async def _commit(self, ledgers: Mapping[str, Ledger], flow: Flow, standing: Standing) -> None:
        vectors = await self.whole_interests(ledgers, standing.active)
        others = {}
        for space in standing.peopled:
            try:
                others[space.name] = await self.whole_interests(ledgers, space)
            except EncoderFailed:
                self._spaces.missed(space)
        sequence = self.sequence + 1
        self._settled = False
        await self._stores.users.commit(Commit(sequence, ledgers, vectors, flow, standing.active.name, others))
        await self._count(flow, sequence)
        self.sequence, self._settled = sequence, True

    async def whole_interests(self, ledgers: Mapping[str, Ledger], space: Space) -> dict[str, Vector]:
        """Return the unit vectors of whole interests in a space; users without one are absent."""
        wholes = await Reader(space.catalogue, space.encoder, self._tuning).wholes(ledgers)
        return {user: whole.interest for user, whole in wholes.items() if whole.interest is not None}

    async def _count(self, flow: Flow, sequence: int) -> None:
        settings = self._tuning.covisitation
        changes = changes_of(flow)
        counts = await self._stores.tally.counts(list(changes))
        changed = {item: counts[item].with_change(change, settings) for item, change in changes.items()}
        await self._stores.tally.save(changed, sequence)

    async def learn_items(self, items: Sequence[Item]) -> None:
        """Put items into the catalogue; of items with one id the last wins."""
        latest = {item.item_id: item for item in items}
        contents = [item.content for item in latest.values()]
        with self._spaces.held() as standing:
            vectors = await standing.active.encoder.encode(contents)
            others = {}
            for space in standing.others:
                try:
                    others[space.name] = list(await space.encoder.encode(contents))
                except EncoderFailed:
                    self._spaces.missed(space)
            named = list(zip(latest.values(), vectors, strict=True))
            await self._stores.catalogue.put(named, standing.active.name, others)

    async def forget_items(self, item_ids: Sequence[str]) -> list[str]:
        """Take items out of the catalogue; return those that were there."""
        return await self._stores.catalogue.remove(item_ids)


@dataclass(frozen=True, slots=True)
class Wish:
    """How a list should look."""

    size: int = 10
    filter: Filter = field(default_factory=Filter)
    explain: bool = False
    profile: Profile | None = None
    """Another mixture and other weights than the service's own; a search by words scores by neither."""
    who: str = ""
    """Whose draws it is where lists are explored."""
    shown: tuple[str, ...] = ()
    """Items on the first places, which stay; the list goes on below them, with those of them that would be listed."""

    @property
    def room(self) -> int:
        """Items to look for: of those that were shown any may be among the best."""
        return self.size + len(self.shown)


@dataclass(frozen=True, slots=True)
class Recommended:
    """One item of a list, as the catalogue holds it, with its score and why."""

    known: Known
    score: float
    interest: int
    reasons: tuple[Reason, ...] = ()
    propensity: float = 0.0
    """Where lists are explored: the probability that it stands in this one, see ``exploring``; else 0."""


class Recommender:
    """The second story."""

    def __init__(
        self,
        library: Library,
        encoder: Encoder,
        tuning: Tuning,
        clock: Callable[[], int],
        trained: Trained = UNTRAINED,
    ) -> None:
        self._library = library
        self._encoder = encoder
        self._tuning = tuning
        self._clock = clock
        self._trained = trained
        self._reader = Reader(library.catalogue, encoder, tuning, trained)

    @property
    def encoder_name(self) -> str:
        """Identity of the encoder whose vectors the lists are made with."""
        return self._encoder.name

    async def recommend(self, ledger: Ledger, wish: Wish) -> list[Recommended]:
        """Return what the user behind a ledger would like next, best first."""
        interests = await self.interests(ledger, wish.profile)
        if not wish.filter.include_seen:
            seen = {event.item_id for event in ledger.live if event.item_id}
            wish = replace(wish, filter=replace(wish.filter, exclude=wish.filter.exclude | seen))
        exploring = Exploring.of(self._tuned(wish), wish.who, self._clock())
        if interests.empty:
            return await self._popular(wish, exploring)
        return await self._answer(interests, wish, exploring)

    async def interests(self, ledger: Ledger, profile: Profile | None = None) -> Interests:
        """Return the interests that a ledger shows."""
        return await self._reader.read(ledger.events, self._clock(), profile)

    async def items(self, item_ids: Sequence[str]) -> list[Recommended]:
        """Return those of the items that are in the catalogue, without a score: they were recommended before."""
        known = await self._library.catalogue.known(item_ids)
        return [Recommended(known[item_id], 0.0, 0) for item_id in item_ids if item_id in known]

    async def ledger(self, user_id: str) -> Ledger:
        """Return a user's ledger, empty for a stranger."""
        return (await self._library.users.ledgers([user_id]))[user_id]

    async def similar(self, item_id: str, wish: Wish) -> list[Recommended]:
        """Return items like one item, by its words and by what people went on to. Raises ``UnknownItem``."""
        known = await self._library.catalogue.known([item_id])
        if item_id not in known:
            raise UnknownItem(item_id)
        wish = replace(wish, filter=replace(wish.filter, exclude=wish.filter.exclude | {item_id}))
        return await self._answer(of_item(known[item_id], self._tuned(wish), self._clock(), self._trained), wish)

    async def search(self, text: str, wish: Wish) -> list[Recommended]:
        """Return items by meaning; the score is the cosine."""
        vector = (await self._encoder.encode([text], said=True, urgent=True))[0]
        return await self._answer(of_words(text, vector, self._tuning, self._clock()), wish)

    def _tuned(self, wish: Wish) -> Tuning:
        return self._tuning if wish.profile is None else wish.profile.instead(self._tuning)

    async def _answer(self, interests: Interests, wish: Wish, exploring: Exploring | None = None) -> list[Recommended]:
        scoring = self._tuned(wish).scoring
        directions = interests.directions if len(interests.directions) > 1 else (interests.content,)
        weighed = scoring.balance > 0.0 and len(directions) > 1
        query = Query(
            content=interests.content,
            directions=directions,
            sources=interests.sources,
            popularity=interests.popularity,
            learned=interests.learned,
            fitted={share.event.item_id: share.weight for share in interests.fitted},
            filter=wish.filter,
            depth=max(scoring.depth, wish.room),
            limit=None if weighed else wish.room,
            little_known=None if exploring is None else exploring.little_known,
        )
        found = await self._library.retriever.candidates(query)
        if weighed:
            known = await self._library.catalogue.known([candidate.item_id for candidate in found])
            served = interests_served(np.stack([known[c.item_id].vector for c in found]), directions) if found else []
            chosen = balanced(found, served, interests.shares, wish.room, scoring.balance)
        else:
            chosen = ranked(found, wish.room)
        if exploring is None:
            return await self._told(chosen, interests, wish)
        places = exploring.places([one.item_id for one in chosen], exploring.pool(found), wish.shown, wish.size)
        by_id = {candidate.item_id: candidate for candidate in found}
        chosen = [by_id[place.item_id] for place in places]
        return await self._told(chosen, interests, wish, {place.item_id: place.propensity for place in places})

    async def _told(
        self, chosen: Sequence[Candidate], interests: Interests, wish: Wish, odds: Mapping[str, float] | None = None
    ) -> list[Recommended]:
        known = await self._library.catalogue.known([candidate.item_id for candidate in chosen])
        vectors = [known[candidate.item_id].vector for candidate in chosen]
        served = interests_served(np.stack(vectors), interests.directions) if vectors else []
        return [
            Recommended(
                known=known[candidate.item_id],
                score=candidate.score,
                interest=interest,
                reasons=self._reasons(known[candidate.item_id], interests, wish),
                propensity=(odds or {}).get(candidate.item_id, 0.0),
            )
            for candidate, interest in zip(chosen, served, strict=True)
        ]

    async def _popular(self, wish: Wish, exploring: Exploring | None) -> list[Recommended]:
        found = await self._library.retriever.popular(wish.filter, wish.room)
        places = [Place(item_id, 0.0) for item_id in found]
        if exploring is not None:
            places = exploring.places(found, await self._like_popular(found, wish, exploring), wish.shown, wish.size)
        known = await self._library.catalogue.known([place.item_id for place in places])
        nobody = interests_of([], {}, {}, self._tuning, self._clock())
        # Nothing is known of the user, so the score is popularity itself, whatever weight it has beside interests.
        nobody = replace(nobody, popularity=1.0)
        return [
            Recommended(
                known=known[item_id],
                score=float(np.log1p(known[item_id].counts.visits)),
                interest=0,
                reasons=self._reasons(known[item_id], nobody, wish),
                propensity=propensity,
            )
            for item_id, propensity, _ in places
        ]

    async def _like_popular(self, popular: Sequence[str], wish: Wish, exploring: Exploring) -> list[str]:
        """Return the little-known items that are most like what is popular, by their words: all there is to go by."""
        known = await self._library.catalogue.known(popular)
        if not known:
            return []
        centre = unit(np.sum([one.vector for one in known.values()], axis=0, dtype=np.float32))
        depth = max(self._tuned(wish).scoring.depth, wish.room)
        query = Query(centre, (centre,), {}, 0.0, wish.filter, depth, limit=0, little_known=exploring.little_known)
        return exploring.pool(await self._library.retriever.candidates(query))

    def _reasons(self, known: Known, interests: Interests, wish: Wish) -> tuple[Reason, ...]:
        if not wish.explain:
            return ()
        return tuple(explain(known, interests, self._tuning.covisitation, self._trained.together))
