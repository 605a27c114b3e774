"""Both topics from their first record to their last, read without a group."""

from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from penchant_adapters.kafka.connection import consumer, started
from penchant_adapters.kafka.topics import Topics
from penchant_adapters.kafka.translation import translating
from penchant_adapters.settings import Settings
from penchant_core.errors import LogMismatch

from penchant_consumers.batch import Batch

BATCH = 5_000
"""Records learnt in one go: a user is written once for all that they did in them."""
Watch = Callable[[str, int, int], None]
"""Is told a topic, how many of its records are learnt, and of how many."""
Say = Callable[[str], None]
"""Is told a sentence for the operator."""


class WholeLog:
    """Both topics, read from the beginning without a group."""

    def __init__(self, reading: AIOKafkaConsumer, settings: Settings, watch: Watch) -> None:
        self.topics = Topics.of(settings.kafka)
        self.pairs_ends: dict[int, int] = {}
        """Partition of the pairs → offset of the next record."""
        self._reading = reading
        self._settings = settings
        self._watch = watch
        self._begins: dict[TopicPartition, int] = {}

    def _places(self, *topics: str) -> list[TopicPartition]:
        return [TopicPartition(topic, p) for topic in topics for p in range(self._settings.kafka.partitions)]

    async def rewind(self, *, whole: bool) -> None:
        """Go to the beginning. Raises ``LogMismatch`` when that of the events is gone and the *whole* is wanted."""
        places = self._places(self.topics.items, self.topics.events)
        with translating(self._settings.kafka):
            self._reading.assign(places)
            self._begins = await self._reading.beginning_offsets(places)
        cut = [place for place, offset in self._begins.items() if place.topic == self.topics.events and offset > 0]
        if cut and whole:
            raise LogMismatch(
                f"the first events are deleted ({', '.join(f'{p.topic}-{p.partition}' for p in cut[:5])}): a store "
                "made from what is left would have forgotten them; use --from-what-is-left if that is meant, and see "
                "kafka.retention_days"
            )
        await self._reading.seek_to_beginning(*places)

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """Return where the partitions of a topic end now."""
        with translating(self._settings.kafka):
            found: dict[TopicPartition, int] = await self._reading.end_offsets(self._places(topic))
        return found

    async def next(self, ends: dict[TopicPartition, int]) -> Batch | None:
        """Return the next records; none when the partitions are read to their *ends*."""
        with translating(self._settings.kafka):
            while True:
                behind = [place for place, end in ends.items() if await self._reading.position(place) < end]
                if not behind:
                    return None
                records = await self._reading.getmany(*behind, timeout_ms=500, max_records=BATCH)
                if records:
                    return Batch(records, 0)

    async def done(self, topic: str) -> int:
        """Return how many records of a topic are read."""
        places = self._places(topic)
        return sum([await self._reading.position(place) - self._begins[place] for place in places])

    async def show(self, topic: str, ends: dict[TopicPartition, int]) -> None:
        """Tell how far a topic is learnt."""
        self._watch(topic, await self.done(topic), sum(end - self._begins[place] for place, end in ends.items()))

    async def look_at_pairs(self) -> None:
        """Note where the pairs end."""
        self.pairs_ends = {place.partition: end for place, end in (await self.ends(self.topics.pairs)).items()}

    async def commit(self, say: Say) -> None:
        """Have the groups go on from here.

        All pairs that are there were told by events that are counted: the group goes on behind them. Without that it
        would read them again and pass over them.
        """
        events = {place: await self._reading.position(place) for place in self._places(self.topics.events)}
        items = {place: await self._reading.position(place) for place in self._places(self.topics.items)}
        items |= {TopicPartition(self.topics.pairs, p): end for p, end in self.pairs_ends.items()}
        kafka = self._settings.kafka
        for stage, offsets in (("users", events), ("items", items)):
            async with started(consumer(kafka, group_id=f"{kafka.group}.{stage}"), kafka) as member:
                member.assign(list(offsets))
                try:
                    await member.commit(offsets)
                except (KafkaError, IllegalStateError) as error:
                    say(f"The offsets of {kafka.group}.{stage} stay ({error}); consumers pass over what is known.")
