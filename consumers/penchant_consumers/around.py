"""What a stage asks of its surroundings: a consumer's, or a rebuild's."""

from collections.abc import Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer
from penchant_adapters.kafka.records import Progress
from penchant_adapters.kafka.topics import Topics
from penchant_core.log import Told

from penchant_consumers.batch import Batch
from penchant_consumers.reading import Dead


class Tells(Protocol):
    """Takes what is to be told to items and servers."""

    topics: Topics

    async def tell(self, topic: str, news: Sequence[Told], progress: Sequence[Progress]) -> None:
        """Tell items their *news*, in their order, and servers the *progress* of ``events`` or ``items``."""

    async def remind(self, topic: str, partition: int, through: int) -> None:
        """Tell servers once more how far a partition is applied."""


class PutsAside(Protocol):
    """Takes records that cannot be learnt from."""

    async def write(self, dead: Sequence[Dead], stage: str) -> None:
        """Put them where they belong; that is done when this returns."""


class Guards(Protocol):
    """Knows the log."""

    partitions: int

    async def check(self, consumer: AIOKafkaConsumer) -> None:
        """Look at the topics of the partitions that are assigned now. Raises ``LogMismatch``."""

    async def learnt(self, batch: Batch) -> None:
        """Note how far partitions are learnt."""
