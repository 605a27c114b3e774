"""From records to events and items: decoded, checked, or put aside as dead letters. Pure, but for the dead letters."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from penchant_adapters import contract
from penchant_adapters.kafka.decoding import Undecodable, event_message, item_message
from penchant_adapters.kafka.topics import partition_of
from penchant_core.errors import InvalidField, PenchantError
from penchant_core.model import Event, Item
from penchant_core.tuning import Weights

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dead:
    """A record that cannot be learnt from, and why."""

    record: Any
    error: PenchantError


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """What stands in a record."""

    record: Any
    content: T


class WrongPartition(PenchantError):
    """A record stands where its key does not belong."""

    reason = "WRONG_PARTITION"


class ReadingEvents:
    """Reads events. What comes out depends on the record alone, so that reading it again gives the same."""

    def __init__(self, weights: Weights, partitions: int) -> None:
        self._weights = weights
        self._partitions = partitions

    def __call__(self, record: Any) -> Event:
        """Return the event in a record; without a time of its own it has none yet."""
        _refuse_misplaced(record, self._partitions)
        message = event_message(record.key, record.value, record.headers)
        # The broker's clock, not ours: the same record is as valid tomorrow.
        return contract.event(message, self._weights, record.timestamp, f"{record.partition}-{record.offset}")


class ReadingItems:
    """Reads items; nothing stands for an item that was taken out."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def __call__(self, record: Any) -> tuple[str, Item | None]:
        """Return the id and the item in a record."""
        _refuse_misplaced(record, self._partitions)
        message = item_message(record.key, record.value, record.headers)
        if message is None:
            return contract.identifier("key", record.key.decode()), None
        item = contract.item(message)
        return item.item_id, item


def _refuse_misplaced(record: Any, partitions: int) -> None:
    if record.key is not None and (place := partition_of(record.key, partitions)) != record.partition:
        raise WrongPartition(
            f"WRONG_PARTITION: the key belongs to partition {place}; set the producer's partitioner to murmur2 "
            "(partitioner=murmur2_random in librdkafka)"
        )


def read(records: Iterable[Any], reading: Callable[[Any], T]) -> Iterator[Read[T] | Dead]:
    """Read records one by one."""
    for record in records:
        try:
            yield Read(record, reading(record))
        except (Undecodable, InvalidField, WrongPartition) as error:
            yield Dead(record, error)
