"""A live list against a client that knows only what it was told: it always ends up with the server's list."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from penchant.v1 import recommendation_pb2 as pb
from penchant_core.counts import Counts
from penchant_core.interests import Known
from penchant_core.model import Event, Item
from penchant_core.pipeline import Recommended
from penchant_server.live import REMEMBERED, Audience, LiveList
from penchant_server.tokens import Resume, resumed

ITEMS = [f"item-{n}" for n in range(12)]
rankings = st.permutations(ITEMS).flatmap(lambda order: st.integers(0, 12).map(lambda n: order[:n]))


def listing(order: Sequence[str]) -> list[Recommended]:
    vector = np.zeros(1, np.float32)
    return [Recommended(Known(Item(i, f"title {i}"), vector, Counts()), 1.0, 0) for i in order]


class Follower(RuleBasedStateMachine):
    """A client and its list, through any ranking, any showing, changed options and resumed streams."""

    def __init__(self) -> None:
        super().__init__()
        self.live = LiveList(pb.ListOptions(page_size=5, include_items=True))
        self.ranking: list[str] = []
        self.order: list[str] = []
        self.details: dict[str, pb.Recommendation] = {}
        self.pinned: list[str] = []
        self.sequence = 0
        self.sent: list[list[str]] = []
        self.whole = True
        self.token = ""

    @rule(ranking=rankings)
    def rank(self, ranking: list[str]) -> None:
        self.ranking = ranking
        update = self.live.next(listing(ranking))
        wanted = [*self.pinned, *(i for i in ranking if i not in self.pinned)][: self.live.options.page_size]
        if update is None:
            assert wanted == self.order
            assert not self.whole
            return
        self.take(update)
        assert self.order == wanted

    def take(self, update: pb.RecommendationUpdate) -> None:
        assert update.stream_sequence == self.sequence + 1
        assert update.snapshot == self.whole
        told = {one.item_id: one for one in update.recommendations}
        if update.snapshot:
            assert list(told) == list(update.order)
            self.details = {}
        else:
            assert told.keys() == set(update.order) - set(self.order)
        self.details |= told
        self.order = list(update.order)
        self.sequence += 1
        self.sent.append(self.order)
        self.whole = False
        self.token = update.resume_token

    @precondition(lambda self: self.sent)
    @rule(positions=st.integers(0, 6), back=st.integers(0, 20))
    def show(self, positions: int, back: int) -> None:
        number = self.sequence - back
        if number < 1:
            return
        heard = self.live.show(positions, number if back else 0)
        recent = 0 <= back < min(len(self.sent), REMEMBERED)
        assert heard == recent
        if recent:
            self.pinned = self.sent[-1 - back][:positions]

    @rule(size=st.integers(1, 8))
    def change(self, size: int) -> None:
        self.live.change(pb.ListOptions(page_size=size, include_items=True))
        self.pinned = []
        self.whole = True

    @precondition(lambda self: self.sent and not self.whole)
    @rule()
    def repeat(self) -> None:
        update = self.live.repeat()
        assert update.stream_sequence == self.sequence + 1
        assert list(update.order) == self.order
        self.sequence += 1
        self.sent.append(self.order)
        self.token = update.resume_token

    @precondition(lambda self: self.token)
    @rule(positions=st.integers(0, 6))
    def resume(self, positions: int) -> None:
        resume = resumed(self.token)
        self.live = LiveList.going_on(self.live.options, resume, positions)
        assert resume.sequence == self.sequence
        assert list(resume.order) == self.order
        self.pinned = self.order[: max(resume.shown, positions)]
        self.sent, self.whole = [self.order], True

    @invariant()
    def every_listed_item_is_known_by_its_details(self) -> None:
        for item_id in self.order:
            assert item_id in self.details
        assert len(self.order) == len(set(self.order))


Follower.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestFollower = Follower.TestCase


@given(rankings, rankings, st.integers(0, 5))
def test_shown_positions_stay_whatever_the_ranking_becomes(first: list[str], then: list[str], positions: int) -> None:
    live = LiveList(pb.ListOptions(page_size=5))
    before = live.next(listing(first))
    assert before is not None
    assert live.show(positions, 0)
    live.next(listing(then))
    assert live.order[: len(before.order[:positions])] == tuple(before.order[:positions])


def test_a_resumed_list_tells_of_shown_items_though_they_would_not_be_listed_any_more() -> None:
    resume = Resume(7, ("gone", "item-1", "item-2"), 1)
    live = LiveList.going_on(pb.ListOptions(page_size=3, include_items=True), resume, positions=2)
    update = live.next(listing(["item-0", "item-1"]))
    assert update is not None
    assert [(one.item_id, one.item.title) for one in update.recommendations] == [
        ("gone", ""),
        ("item-1", "title item-1"),
        ("item-0", "title item-0"),
    ]
    assert update.stream_sequence == 8


def test_an_event_wakes_the_streams_of_its_user_only() -> None:
    audience = Audience()
    event = Event("e", "u", "like", 1, "a")
    with audience.listening("u") as one, audience.listening("u") as two, audience.listening("v") as other:
        audience.learnt([event])
        assert [one.trigger, two.trigger, other.trigger] == [event, event, None]
        assert [x._calls.is_set() for x in (one, two, other)] == [True, True, False]
    assert not audience._by_user


def test_a_changed_item_wakes_the_streams_that_list_it() -> None:
    audience = Audience()
    with audience.listening("u") as one, audience.listening("v") as other:
        one.showing, other.showing = frozenset("ab"), frozenset("c")
        audience.changed(["b", "x"])
        assert [x._calls.is_set() for x in (one, other)] == [True, False]
        audience.close()
        assert audience.closing
        assert other._calls.is_set()


async def test_many_calls_wake_once_and_none_is_lost() -> None:
    audience = Audience()
    with audience.listening("u") as listener:
        for _ in range(100):
            listener.wake()
        await listener.called(5.0)
        assert not listener._calls.is_set()
        await listener.called(0.0)
        listener.wake()
        await listener.called(5.0)


def test_with_explanations_all_that_may_move_is_told_anew() -> None:
    live = LiveList(pb.ListOptions(page_size=3, explain=True))
    live.next(listing(["a", "b", "c"]))
    live.show(1, 0)
    update = live.next(listing(["c", "b", "a"]))
    assert update is not None
    assert (list(update.order), update.snapshot) == (["a", "c", "b"], False)
    assert [one.item_id for one in update.recommendations] == ["c", "b"]
