"""The theory of ``penchant_core.log``, refuted if it can be: batches delivered again, by others, by sleepers who wake.

A machine drives a model of the log, the store and two groups of consumers, one step of a batch at a time. However the
steps of crashed, sleeping and healthy consumers mingle, the state that is left is the plain fold over the log.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from penchant_core.counts import Counts, changes_of, dimension
from penchant_core.covisitation import flow_between, fold, occurrences
from penchant_core.ledger import CAPACITY, Ledger, timed
from penchant_core.log import NOTHING, Delivered, Gain, ItemCounts, Told, UserState, counted, folded, told
from penchant_core.model import Event
from penchant_core.tuning import Covisitation, Weights

from tests.unit.strategies import many_events

Record = TypeVar("Record")
State = TypeVar("State")

WEIGHTS = Weights()
SETTINGS = Covisitation(reach=3, reverse_reach=2)
PARTITIONS = 2
USERS = ("ann", "bob", "cem")
ITEMS = tuple(f"i{n}" for n in range(6))
DIMS = np.array(sorted(map(dimension, ITEMS)), np.uint32)
AMPLE = 1000.0
"""What every item has from the start: counts stop at nothing, and no gain shall hide there."""


def partition_of(key: str) -> int:
    """Place a user or an item."""
    return (USERS + ITEMS).index(key) % PARTITIONS


@dataclass
class Group(Generic[Record]):
    """Consumers that share a log's partitions; the youngest generation owns them."""

    log: list[list[Record]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    committed: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    generation: int = 0

    @property
    def settled(self) -> bool:
        """All is consumed and committed."""
        return self.committed == [len(records) for records in self.log]


@dataclass
class World:
    """All that outlives a consumer."""

    events: Group[Delivered] = field(default_factory=Group)
    pairs: Group[list[Told]] = field(default_factory=Group)
    users: dict[str, UserState] = field(default_factory=dict)
    items: dict[str, tuple[ItemCounts, int]] = field(default_factory=dict)

    def write_user(self, user_id: str, state: UserState) -> None:
        """Write unless the store has the user as far or further."""
        if user_id not in self.users or self.users[user_id].through < state.through:
            self.users[user_id] = state

    def item(self, item_id: str) -> ItemCounts:
        """Read an item."""
        ample = Counts(DIMS, np.full(len(DIMS), AMPLE, np.float32), AMPLE, AMPLE)
        return self.items.get(item_id, (ItemCounts(ample), NOTHING))[0]

    def write_item(self, item_id: str, counts: ItemCounts, offset: int) -> None:
        """Write unless the store has the item with this offset or a later one."""
        if item_id not in self.items or self.items[item_id][1] < offset:
            self.items[item_id] = counts, offset


@dataclass(frozen=True)
class Manner:
    """How a consumer goes about its batches."""

    size: int = 3
    """Records of a partition in one batch."""
    commits: bool = True
    """Else commits are yet to be made, or lost."""
    remembers: bool = True
    """Else it has no room for the states that it knows, and reads them anew for every batch."""


class Consumer(Generic[Record, State]):
    """One member of a group in one generation: its position and what it remembers are gone with it."""

    def __init__(self, world: World, group: Group[Record], partitions: Sequence[int]) -> None:
        self.world = world
        self.group = group
        self.generation = group.generation
        self.position = {partition: group.committed[partition] for partition in partitions}
        self.known: dict[str, State] = {}
        self.manner = Manner()
        self.steps = self.life()

    def life(self) -> Iterator[str]:
        """Go from batch to batch; between two steps anything may happen."""
        while True:
            if not self.manner.remembers:
                self.known.clear()
            batch = {
                partition: list(enumerate(self.group.log[partition]))[start : start + self.manner.size]
                for partition, start in self.position.items()
            }
            yield "fetched"
            yield from self.work(batch)
            self.position = {partition: at + len(batch[partition]) for partition, at in self.position.items()}
            if self.manner.commits:
                if self.generation != self.group.generation:
                    return
                for partition, at in self.position.items():
                    self.group.committed[partition] = at

    def work(self, batch: dict[int, list[tuple[int, Record]]]) -> Iterator[str]:
        """Do what a batch asks for, up to its commit."""
        raise NotImplementedError


class UserStage(Consumer[Delivered, UserState]):
    """Events in, users and pairs out."""

    def work(self, batch: dict[int, list[tuple[int, Delivered]]]) -> Iterator[str]:
        """Read, fold, write, tell."""
        records: defaultdict[int, list[Told]] = defaultdict(list)
        writes: dict[str, UserState] = {}
        for partition, delivered in batch.items():
            gains: list[Gain] = []
            for user_id in {one.event.user_id: None for _, one in delivered}:
                if user_id not in self.known:
                    self.known[user_id] = self.world.users.get(user_id, UserState())
                    yield "read"
                heard = [one for _, one in delivered if one.event.user_id == user_id]
                state, gained = folded(self.known[user_id], heard, WEIGHTS, SETTINGS)
                gains += gained
                if state is not self.known[user_id]:
                    writes[user_id] = self.known[user_id] = state
            for one in told(partition, gains):
                records[partition_of(one.item_id)].append(one)
        for user_id, state in writes.items():
            self.world.write_user(user_id, state)
            yield "written"
        for partition, record in records.items():
            self.world.pairs.log[partition].append(record)
            yield "told"


class ItemStage(Consumer[list[Told], ItemCounts]):
    """Pairs in, items out."""

    def work(self, batch: dict[int, list[tuple[int, list[Told]]]]) -> Iterator[str]:
        """Read, count, write."""
        for delivered in batch.values():
            news: defaultdict[str, list[Told]] = defaultdict(list)
            for _, record in delivered:
                for one in record:
                    news[one.item_id].append(one)
            for item_id, heard in news.items():
                if item_id not in self.known:
                    self.known[item_id] = self.world.item(item_id)
                    yield "read"
                counts = counted(self.known[item_id], heard, SETTINGS)
                if counts is not self.known[item_id]:
                    self.known[item_id] = counts
                    self.world.write_item(item_id, counts, delivered[-1][0])
                    yield "written"


EVENTS = st.builds(
    Event,
    event_id=st.integers(0, 7).map(str),
    user_id=st.sampled_from(USERS),
    type=st.sampled_from(["view", "purchase", "like", "hide"]),
    occurred_at=st.integers(0, 9),
    item_id=st.sampled_from(ITEMS),
)
MANNERS = st.builds(Manner, size=st.integers(1, 4), commits=st.booleans(), remembers=st.booleans())
STEPS = st.sampled_from(["fetched", "read", "written", "told"])
MOST_STEPS = 12
WHO = st.integers(0, 3)
"""How many joined later."""
STAGES = st.sampled_from([UserStage, UserStage, ItemStage])


class LearningFromALog(RuleBasedStateMachine):
    """What may happen to a log and its consumers."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.alive: dict[type, list[Consumer[Any, Any]]] = {UserStage: [], ItemStage: []}

    def group(self, stage: type) -> Group[Any]:
        """Return the group of a stage."""
        return self.world.events if stage is UserStage else self.world.pairs

    @initialize(events=st.lists(EVENTS, min_size=6, max_size=12), told=st.booleans())
    def begin(self, events: list[Event], told: bool) -> None:
        """Start with some events, which nobody has seen or which wait to be counted."""
        self.produce(events)
        if told:
            self.finish(UserStage)

    @rule(events=st.lists(EVENTS, min_size=1, max_size=6))
    def produce(self, events: list[Event]) -> None:
        """Producers append, at times the same event again."""
        for event in events:
            log = self.world.events.log[partition_of(event.user_id)]
            log.append(Delivered(len(log), event, time=5 + len(log)))

    @rule(stage=STAGES, shared=st.booleans())
    def rebalance(self, stage: type, shared: bool) -> None:
        """The partitions go to one new member or to two; the owners until now sleep, wherever they are in a batch."""
        group = self.group(stage)
        group.generation += 1
        for partitions in ([0], [1]) if shared else ([0, 1],):
            self.alive[stage].append(stage(self.world, group, partitions))

    @rule(stage=STAGES, who=WHO, until=STEPS, how=MANNERS)
    def go_on(self, stage: type, who: int, until: str, how: Manner) -> None:
        """An owner works, or a sleeper wakes, until it has done something, which may be the next of its writes."""
        if alive := self.alive[stage]:
            consumer = alive[-1 - who % len(alive)]
            consumer.manner = how
            done = (next(consumer.steps, "refused") for _ in range(MOST_STEPS))
            if next((step for step in done if step in (until, "refused")), until) == "refused":
                alive.remove(consumer)

    @rule(stage=STAGES, who=WHO)
    def crash(self, stage: type, who: int) -> None:
        """A consumer is no more, whatever it was about to do."""
        if alive := self.alive[stage]:
            alive.pop(-1 - who % len(alive))

    def drain(self) -> None:
        """Let healthy consumers finish."""
        for stage in (UserStage, ItemStage):
            self.finish(stage)

    def finish(self, stage: type) -> None:
        """Let a healthy consumer come to the end of its log."""
        self.rebalance(stage, shared=False)
        consumer = self.alive[stage][-1]
        while not self.group(stage).settled:
            next(consumer.steps)

    def teardown(self) -> None:
        """All that was produced is learnt, once; sleepers who wake when all is done change nothing any more."""
        self.drain()
        assert_learnt(self.world)
        for consumer in self.alive[UserStage] + self.alive[ItemStage]:
            consumer.manner = Manner()
            while consumer.generation != consumer.group.generation and next(consumer.steps, None):
                pass
        self.drain()
        assert_learnt(self.world)


def assert_learnt(world: World) -> None:
    """Compare the store with the fold of the log, event by event."""
    sums: defaultdict[str, defaultdict[int | str, float]] = defaultdict(lambda: defaultdict(float))
    for user_id in USERS:
        events: list[Event] = []
        ledger = Ledger()
        for one in world.events.log[partition_of(user_id)]:
            if one.event.user_id != user_id:
                continue
            events.append(timed(one.event, ledger.slots, one.time))
            ledger, flow = fold(ledger, events[-1:], WEIGHTS, SETTINGS)
            for item_id, change in changes_of(flow).items():
                for dim, weight in change.sources.items():
                    sums[item_id][dim] += weight
                sums[item_id]["out"] += change.sums[0]
                sums[item_id]["visits"] += change.sums[1]
        assert world.users.get(user_id, UserState()).ledger == ledger == Ledger().with_events(events)
    for item_id in ITEMS:
        counts = world.item(item_id).counts
        kept = dict(zip(counts.dims.tolist(), counts.values.tolist(), strict=True))
        kept |= {"out": counts.out, "visits": counts.visits}
        gained = {name: value - AMPLE for name, value in kept.items()}
        assert gained == pytest.approx({name: sums[item_id][name] for name in kept}, abs=0.01), item_id


@pytest.mark.parametrize("capacity", [CAPACITY, 4])
def test_whatever_happens_to_consumers_every_event_is_learnt_once(
    capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penchant_core.ledger.CAPACITY", capacity)
    run_state_machine_as_test(
        LearningFromALog, settings=settings(max_examples=250, stateful_step_count=20, report_multiple_bugs=False)
    )


def view(event_id: str, item_id: str, time: int, user_id: str = "ann") -> Event:
    return Event(event_id, user_id, "view", time, item_id)


FIVE = [Delivered(offset, view(f"e{offset}", ITEMS[offset], offset + 1)) for offset in range(5)]


def test_an_event_told_again_is_passed_over() -> None:
    _, gains = folded(UserState(), FIVE, WEIGHTS, SETTINGS)
    news = [one for one in told(0, gains) if one.item_id == "i0"]
    once = counted(ItemCounts(), news, SETTINGS)
    assert once.counts.visits == 1.0
    assert once.counts.out == pytest.approx(1 + 0.7 + 0.49), "to i1, i2 and i3"
    assert counted(once, news, SETTINGS) is once
    assert counted(ItemCounts(), news + news, SETTINGS).counts.out == once.counts.out
    assert counted(once, [Told(1, 0, "i0", news[0].change)], SETTINGS).counts.visits == 2.0, "of another partition"


def test_gains_of_several_users_are_told_in_the_order_of_the_log() -> None:
    log = [
        Delivered(0, view("a", "i0", 1)),
        Delivered(1, view("b", "i0", 1, "bob")),
        Delivered(2, view("c", "i1", 2)),
        Delivered(3, view("d", "i0", 3, "cem")),
    ]
    gains = []
    for user_id in ("cem", "ann", "bob"):
        gains += folded(UserState(), [one for one in log if one.event.user_id == user_id], WEIGHTS, SETTINGS)[1]
    news = told(0, gains)
    assert [one.offset for one in news] == sorted(one.offset for one in news)
    assert counted(ItemCounts(), [one for one in news if one.item_id == "i0"], SETTINGS).counts.visits == 3.0


@given(st.integers(1, 5), st.lists(st.integers(1, 5), min_size=5, max_size=5))
def test_a_batch_cut_differently_on_redelivery_loses_no_gain(written: int, cuts: list[int]) -> None:
    state, untold = folded(UserState(), FIVE[:written], WEIGHTS, SETTINGS)
    retold: list[Gain] = []
    start = 0
    for cut in cuts:
        state, gains = folded(state, FIVE[start : start + cut], WEIGHTS, SETTINGS)
        retold, start = retold + gains, start + cut
    assert retold[:written] == untold
    assert retold == folded(UserState(), FIVE, WEIGHTS, SETTINGS)[1]


def test_a_batch_that_ends_in_the_middle_of_what_was_written_leaves_the_rest_pending() -> None:
    written, untold = folded(UserState(), FIVE[:4], WEIGHTS, SETTINGS)
    same, gains = folded(written, FIVE[:2], WEIGHTS, SETTINGS)
    assert (same, gains) == (written, untold[:2])
    longer, gains = folded(same, FIVE[2:], WEIGHTS, SETTINGS)
    assert longer.pending == tuple(gains)
    assert gains[:2] == untold[2:], "told, and told again should this batch end in a crash"


def test_what_changes_nothing_is_the_same_object_and_writes_nothing() -> None:
    state, _ = folded(UserState(), FIVE, WEIGHTS, SETTINGS)
    again = Delivered(9, FIVE[2].event)
    assert folded(state, [again], WEIGHTS, SETTINGS) == (state, [])
    assert folded(state, [again], WEIGHTS, SETTINGS)[0] is state


def test_it_does_not_matter_which_of_two_writers_is_ahead() -> None:
    sleeper, _ = folded(UserState(), FIVE[:2], WEIGHTS, SETTINGS)
    owner, _ = folded(UserState(), FIVE[:4], WEIGHTS, SETTINGS)
    worlds = World(), World()
    for world, states in zip(worlds, ([owner, sleeper], [sleeper, owner]), strict=True):
        for state in states:
            world.write_user("ann", state)
    assert worlds[0].users == worlds[1].users == {"ann": owner}
    assert folded(sleeper, FIVE[2:], WEIGHTS, SETTINGS)[0].ledger == folded(owner, FIVE, WEIGHTS, SETTINGS)[0].ledger


@given(st.integers(0, 10**9), st.integers(1, 120), st.sampled_from([3, 10, CAPACITY]), st.booleans())
def test_an_event_at_the_end_of_a_path_gains_what_walking_the_whole_path_says(
    seed: int, count: int, capacity: int, in_order: bool
) -> None:
    events = many_events(seed, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penchant_core.ledger.CAPACITY", capacity)
        ledger = Ledger().without([event.event_id for event in events[:2]], now=1)
        for event in sorted(events, key=lambda event: event.occurred_at) if in_order else events:
            united = ledger.united([event])
            flow = flow_between(occurrences(ledger.live, WEIGHTS), occurrences(united, WEIGHTS), SETTINGS)
            ledger, gained = fold(ledger, [event], WEIGHTS, SETTINGS)
            assert (ledger.slots, gained) == (united[-capacity:], flow)
            assert list(gained.pairs) == list(flow.pairs)


def test_the_oldest_event_of_a_full_ledger_may_be_said_again_in_other_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penchant_core.ledger.CAPACITY", 2)
    events = [view("a", "i0", 1), view("b", "i1", 2), view("a", "i2", 1)]
    one_by_one = Ledger()
    for event in events:
        one_by_one = one_by_one.with_events([event])
    assert one_by_one == Ledger().with_events(events) == Ledger().with_events(events[::-1])
