"""What a machine may draw to befall a cluster: acts of users, consumers and their ends, records that say nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from signal import Signals
from typing import Any, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from penchant.v1.catalog_pb2 import Item
from penchant.v1.event_pb2 import Event
from penchant_adapters.kafka.deadletters import ERRORS, OFFSET

from tests.cluster import PATIENCE, Cluster, Running
from tests.integration.test_cluster_faults import POISON

Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]
"""Key, value and headers."""

USERS = [f"u{number}" for number in range(5)]
ITEMS = [f"item-{number}" for number in range(6)]
"""Few, so that most events make pairs."""


class Act(NamedTuple):
    """What a user did."""

    number: int
    """Of the event; 0: it has no id."""
    user: int
    kind: str
    item: int
    second: int
    """When; 0: it does not say."""
    words: str

    @property
    def event(self) -> Event:
        """The event that tells of it."""
        event = Event(user_id=USERS[self.user], type=self.kind, item_id=ITEMS[self.item], text=self.words)
        if self.number:
            event.event_id = f"e{self.number}"
        if self.second:
            event.occurred_at.CopyFrom(Timestamp(seconds=1_780_000_000 + self.second))
        return event


class How(NamedTuple):
    """The manner of a consumer."""

    batch: int = 1_000
    """Records in a batch at most."""
    name: str = ""
    """Of a static member, which takes over from its dead self at once; empty: none."""


class Doom(NamedTuple):
    """What a consumer does to itself."""

    when: str
    """Before or after a step it dies, or it freezes before."""
    step: str
    number: int
    """The how manieth step of the kind."""


class Poison(NamedTuple):
    """A record that nobody can learn from."""

    topic: str
    record: Sent
    aside: int
    """How far from its partition it is put."""


@dataclass
class Member:
    """A consumer."""

    running: Running
    name: str
    doom: Doom | None = None
    frozen: bool = False

    def signal(self, number: Signals) -> None:
        """Send it a signal, if it is still there."""
        self.running.process.send_signal(number)

    def wake(self) -> None:
        """Let it go on."""
        self.frozen = False
        self.signal(Signals.SIGCONT)

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        self.signal(Signals.SIGTERM)
        # Again and again: it may be about to freeze itself.
        self.until(self.wake)
        self.assert_ended(asked=True)

    def until_it_works(self) -> None:
        """Wait until both stages have partitions."""
        self.until(lambda: self.running.text.count("partitions assigned") > 1 or "freezing" in self.running.text)

    def until(self, fact: Callable[[], object]) -> None:
        """Wait for a fact, or for its end."""
        deadline = time.monotonic() + PATIENCE
        while not fact() and self.running.process.poll() is None:
            assert time.monotonic() < deadline, f"it never came to it:\n{self.running.text}"
            time.sleep(0.05)

    def assert_ended(self, *, asked: bool) -> None:
        """It has not given up: it was asked to end, or did to itself what it was to do."""
        code, text = self.running.process.poll(), self.running.text
        # Before it says its first word it does not know how to end in order.
        in_order = asked and (code == 0 or (code == -Signals.SIGTERM and not text))
        assert in_order or (self.doom and code == -Signals.SIGKILL), f"{code}: {text}"


async def dead_letters(cluster: Cluster, topic: str) -> dict[tuple[int, int], Sent]:
    """Return what stands in a topic's dead letters, by partition and offset of the records that it was."""
    found: dict[tuple[int, int], Sent] = {}
    for partition, records in (await cluster.log(f"{topic}.dlq")).items():
        for one in records:
            own = [(name, value) for name, value in one.headers if not name.startswith(ERRORS)]
            found[partition, int(dict(one.headers)[OFFSET])] = one.key, one.value, own
    return found


def _keyed(key: str, message: Event | Item) -> Sent:
    return key.encode(), message.SerializeToString(), []


ACT = st.builds(
    Act,
    number=st.integers(0, 99),
    user=st.integers(0, len(USERS) - 1),
    kind=st.sampled_from(["view", "like", "purchase", "hide", "review"]),
    item=st.integers(0, len(ITEMS) - 1),
    second=st.integers(0, 10**6),
    words=st.sampled_from(["", "", "", "warm and light", "好吃", "réparation facile"]),
)
ACTS = st.lists(ACT, min_size=5, max_size=20)
"""So few that all of an example fit the ledger of one user."""
HOW = st.builds(How, batch=st.sampled_from([3, 1, 1_000]), name=st.sampled_from(["", "a", "b"]))
DOOM = st.builds(
    Doom,
    when=st.sampled_from(["before", "after", "freeze"]),
    step=st.sampled_from(["tell", "write", "count", "commit", "tell", "write", "count", "letter", "encode", "put"]),
    number=st.integers(1, 4),
)
SHELVED = st.dictionaries(st.sampled_from(ITEMS), st.sampled_from(["", "a tent", "好吃的苹果"]), min_size=1)
"""Item → title; empty: it is taken out."""
NO_ITEMS = [_keyed("item-0", Item(item_id="item-0")), _keyed("item-1", Item(item_id="item-0", title="not the key's"))]
POISONS = st.lists(
    st.one_of(
        st.builds(Poison, st.just("events"), st.sampled_from(list(POISON.values())), st.just(0)),
        st.builds(
            Poison, st.just("events"), st.tuples(st.just(b"u0"), st.binary(max_size=20), st.just([])), st.just(0)
        ),
        st.builds(Poison, st.just("items"), st.sampled_from(NO_ITEMS), st.just(0)),
        ACT.map(lambda act: Poison("events", _keyed(USERS[act.user], act.event), 1)),
    ),
    min_size=1,
    max_size=4,
)


def step(allowed: Callable[[Any], Any] = bool, **drawn: Any) -> Callable[[Callable[..., None]], Any]:
    """Make a rule that says when it began and with what, for whoever must understand a failure."""

    def made(function: Callable[..., None]) -> Any:
        @wraps(function)
        def telling(machine: Any, **given: Any) -> None:
            machine.say(f"{function.__name__} {given or ''}")
            function(machine, **given)

        return precondition(allowed)(rule(**drawn)(telling))  # type: ignore[no-untyped-call]  # it does not say

    return made
