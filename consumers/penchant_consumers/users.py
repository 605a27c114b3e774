"""The user stage: from events to interests."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from penchant_adapters.kafka.records import Progress
from penchant_adapters.process import now
from penchant_adapters.telemetry import traces
from penchant_adapters.telemetry.metrics import Metrics
from penchant_core.errors import PenchantError
from penchant_core.log import Delivered, Gain, Told, UserState, UserStates, Written, folded, told
from penchant_core.model import Event
from penchant_core.ports import Encoder
from penchant_core.reading import Reader
from penchant_core.tuning import Tuning

from penchant_consumers.around import Guards, PutsAside, Tells
from penchant_consumers.batch import Batch
from penchant_consumers.beside import Beside, encoded, read_beside
from penchant_consumers.memory import Epochs, Memory
from penchant_consumers.reading import Dead, ReadingEvents, read
from penchant_consumers.words import unreadable

REMEMBERED_EVENTS = 400_000
"""Events of ledgers kept in memory, some 200 bytes each."""
TURN = 100
"""Records or users after which others have a turn of the event loop."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a user did or said in a batch."""

    partition: int
    events: list[Delivered]


class UserStage:
    """Folds events into ledgers, writes users, tells what the items gain and whose interests changed."""

    name = "users"

    def __init__(
        self,
        states: UserStates,
        reader: Reader,
        encoder: Encoder,
        tuning: Tuning,
        telling: Tells,
        letters: PutsAside,
        guard: Guards,
        epochs: Epochs,
        metrics: Metrics,
        beside: Sequence[Beside] = (),
    ) -> None:
        self.topics = [telling.topics.events]
        self._states = states
        self._reader = reader
        self._encoder = encoder
        self._tuning = tuning
        self._beside = beside
        self._telling = telling
        self._letters = letters
        self._guard = guard
        self._reading = ReadingEvents(tuning.weights, guard.partitions)
        self._memory: Memory[UserState] = Memory(epochs, REMEMBERED_EVENTS, lambda state: 1 + len(state.ledger.slots))
        self._outcomes = metrics.topic(telling.topics.events)
        self._age = metrics.consumer.event_age

    async def assigned(self, consumer: AIOKafkaConsumer) -> None:
        """Check that this is the log that the store was made from; remind the servers of how far it is applied."""
        await self._guard.check(consumer)
        for partition in consumer.assignment():
            committed = await consumer.committed(partition)
            if committed:
                await self._telling.remind("events", partition.partition, committed - 1)

    async def prepare(self, batch: Batch) -> dict[str, Said]:
        """Read the events, put aside what is none, encode their words."""
        said: dict[str, Said] = {}
        dead: list[Dead] = []
        arrived = now()
        for partition, records in batch.records.items():
            for start in range(0, len(records), TURN):
                for one in read(records[start : start + TURN], self._reading):
                    if isinstance(one, Dead):
                        dead.append(one)
                    else:
                        user = said.setdefault(one.content.user_id, Said(partition.partition, []))
                        user.events.append(Delivered(one.record.offset, one.content, one.record.timestamp))
                        happened = one.content.occurred_at or one.record.timestamp
                        self._age.observe(max(0.0, (arrived - happened) / 1000.0))
                await asyncio.sleep(0)
        failed = await unreadable(self._encoder, _words(said.values()), said=True)
        if failed:
            dead += self._put_aside(said, failed, batch)
        await encoded(self._beside, _words(said.values()), said=True)
        await self._letters.write(dead, self.name)
        self._outcomes.dead.inc(len(dead))
        return said

    @staticmethod
    def _put_aside(said: Mapping[str, Said], failed: Mapping[str, PenchantError], batch: Batch) -> list[Dead]:
        topics = {partition.partition: partition for partition in batch.records}
        dead = []
        for user in said.values():
            records = {record.offset: record for record in batch.records[topics[user.partition]]}
            dead += [Dead(records[e.offset], failed[e.event.text]) for e in user.events if e.event.text in failed]
            user.events[:] = [e for e in user.events if e.event.text not in failed]
        return dead

    def joined(self, prepared: dict[str, Said], later: Mapping[str, Said]) -> dict[str, Said]:
        """Return what users did and said in two batches, one after the other."""
        for user, said in later.items():
            if (before := prepared.get(user)) is None:
                prepared[user] = said
            else:
                before.events.extend(said.events)
        return prepared

    def may_rest(self, said: Mapping[str, Said]) -> bool:
        """Tell that interests are never late."""
        del said
        return False

    async def apply(self, batch: Batch, said: Mapping[str, Said]) -> None:
        """Fold, write, tell."""
        headers = (record.headers for records in batch.records.values() for record in records if record.headers)
        producers = (traces.extracted(one) for one in headers) if traces.tracing() else ()
        with traces.consumed(self.topics[0], self.name, batch.size, producers):
            states = self._memory.recall(said, batch.epoch)
            missing = [user for user in said if user not in states]
            if missing:
                states |= await self._states.states(missing)
            changed, gains = await self._folded(said, states)
            await self._write(changed)
            self._memory.keep(states | changed, batch.epoch)
            await self._tell(batch, said, changed, gains)
        await self._guard.learnt(batch)

    async def _folded(
        self, said: Mapping[str, Said], states: Mapping[str, UserState]
    ) -> tuple[dict[str, UserState], dict[int, list[Gain]]]:
        changed: dict[str, UserState] = {}
        gains: defaultdict[int, list[Gain]] = defaultdict(list)
        for number, (user, one) in enumerate(said.items()):
            state, gained = folded(states[user], one.events, self._tuning.weights, self._tuning.covisitation)
            if state is not states[user]:
                changed[user] = state
            gains[one.partition] += gained
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
        self._outcomes.learnt.inc(sum(len(said[user].events) for user in changed))
        self._outcomes.unchanged.inc(sum(len(one.events) for user, one in said.items() if user not in changed))
        return changed, gains

    async def _write(self, changed: Mapping[str, UserState]) -> None:
        if changed:
            ledgers = {user: state.ledger for user, state in changed.items()}
            wholes, others = await self._reader.wholes(ledgers), await read_beside(self._beside, ledgers)
            await self._states.write(
                {
                    user: Written(state, wholes[user].interest, wholes[user].words, others[user])
                    for user, state in changed.items()
                }
            )

    async def _tell(
        self,
        batch: Batch,
        said: Mapping[str, Said],
        changed: Mapping[str, UserState],
        gains: Mapping[int, Sequence[Gain]],
    ) -> None:
        triggers: defaultdict[int, list[Event]] = defaultdict(list)
        for user in changed:
            triggers[said[user].partition].append(said[user].events[-1].event)
        news: list[Told] = []
        for partition, gained in gains.items():
            news += told(partition, gained)
        progress = [
            Progress(
                partition=partition.partition,
                through=records[-1].offset,
                events=triggers[partition.partition],
                time=records[-1].timestamp,
            )
            for partition, records in batch.records.items()
        ]
        await self._telling.tell("events", news, progress)


def _words(said: Iterable[Said]) -> list[str]:
    return [one.event.text for user in said for one in user.events if one.event.text]
