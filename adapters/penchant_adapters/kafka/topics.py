"""The topics: their names, how each must be, made where it is missing and checked where it is there."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, NoError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2
from penchant_core.errors import InvalidSetting, LogMismatch, Unavailable

from penchant_adapters.kafka.connection import DEAD_LETTER_OVERHEAD, RECORD_OVERHEAD, admin, started
from penchant_adapters.kafka.translation import translated, translating
from penchant_adapters.settings_groups import KafkaSettings

PARTITIONS, REPLICATION = "partitions", "replication"
CLEANUP, TIMESTAMP, IN_SYNC, MAX_BYTES = (
    "cleanup.policy",
    "message.timestamp.type",
    "min.insync.replicas",
    "max.message.bytes",
)
PAIRS_DAYS, DEAD_LETTER_DAYS = 7, 30
VISIBLE_SECONDS = 20.0
"""Seconds after which topics that were made must be seen by the brokers."""
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the topics."""

    events: str
    """What users did: key user id, value ``penchant.v1.Event``."""
    items: str
    """The catalogue: key item id, value ``penchant.v1.Item``, null removes."""
    pairs: str
    """What the user stage tells the item stage; internal, key item id."""
    interests: str
    """How far users were learnt and who changed; internal."""

    @classmethod
    def of(cls, settings: KafkaSettings) -> "Topics":
        """Return the names that the settings say."""
        return cls(*(f"{settings.topic_prefix}.{name}" for name in ("events", "items", "pairs", "interests")))

    @staticmethod
    def dlq(topic: str) -> str:
        """Return the topic of a topic's dead letters."""
        return f"{topic}.dlq"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic must be."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it must be, and what to do."""

    topic: str
    what: str
    """``topic`` where it is missing, else ``partitions``, ``replication`` or the name of a setting of the topic."""
    wanted: str
    found: str
    advice: str


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Return where every producer with Kafka's default partitioner puts a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def wanted(settings: KafkaSettings) -> list[TopicSpec]:
    """Return how every topic must be."""
    names = Topics.of(settings)
    days = settings.retention_days
    retention = "-1" if days < 0 else str(int(days * _DAY_MS))
    record = settings.max_message_bytes + RECORD_OVERHEAD
    dead = settings.max_message_bytes + DEAD_LETTER_OVERHEAD

    def spec(
        name: str, cleanup: str, size: int = record, partitions: int = settings.partitions, **more: str
    ) -> TopicSpec:
        configs = {
            CLEANUP: cleanup,
            # By the broker's clock: one producer's wrong clock would have records deleted early, or never.
            TIMESTAMP: "LogAppendTime",
            IN_SYNC: str(max(1, settings.replication - 1)),
            MAX_BYTES: str(size),
            **{name.replace("_", "."): value for name, value in more.items()},
        }
        return TopicSpec(name, partitions, settings.replication, configs)

    dead_retention = str(DEAD_LETTER_DAYS * _DAY_MS)
    return [
        spec(names.events, "delete", retention_ms=retention),
        spec(names.items, "compact"),
        spec(names.pairs, "delete", retention_ms=str(PAIRS_DAYS * _DAY_MS)),
        # Servers read it from the start: it must stay short.
        spec(
            names.interests,
            "compact",
            partitions=1,
            segment_bytes=str(16 << 20),
            segment_ms="600000",
            min_cleanable_dirty_ratio="0.1",
        ),
        *(spec(Topics.dlq(name), "delete", dead, retention_ms=dead_retention) for name in (names.events, names.items)),
    ]


async def create(settings: KafkaSettings) -> tuple[list[str], list[Difference]]:
    """Make the topics that are missing; return their names and how those that were there differ.

    What is there is left as it is. Raises ``Unavailable``, ``InvalidSetting``.
    """
    async with started(admin(settings), settings) as client:
        with translating(settings):
            specs = wanted(settings)
            there = await _described(client, [spec.name for spec in specs])
            made = await _make(client, [spec for spec in specs if spec.name not in there], settings)
            deadline = asyncio.get_running_loop().time() + VISIBLE_SECONDS
            while True:
                found = await _described(client, [spec.name for spec in specs])
                if len(found) == len(specs):
                    return made, _differences(specs, found)
                if asyncio.get_running_loop().time() > deadline:
                    raise Unavailable(f"topics were made but are not seen: {sorted(set(made) - found.keys())}")
                await asyncio.sleep(0.05)


async def check(settings: KafkaSettings) -> list[Difference]:
    """Return what is not as it must be. Raises ``Unavailable``, ``InvalidSetting``."""
    specs = wanted(settings)
    async with started(admin(settings), settings) as client:
        with translating(settings):
            return _differences(specs, await _described(client, [spec.name for spec in specs]))


def refuse(differences: Sequence[Difference]) -> None:
    """Raise ``LogMismatch`` when a topic is missing or has other partitions: nothing can be learnt from that."""
    grave = [one for one in differences if one.what in ("topic", PARTITIONS)]
    if grave:
        raise LogMismatch(
            "; ".join(f"{one.topic}: {one.what} {one.found}, wanted {one.wanted}; {one.advice}" for one in grave)
        )


async def _make(client: AIOKafkaAdminClient, specs: Sequence[TopicSpec], settings: KafkaSettings) -> list[str]:
    """Make topics; return the names of those that somebody else has not made meanwhile."""
    made: list[str] = []
    if not specs:
        return made
    new = [NewTopic(spec.name, spec.partitions, spec.replication, topic_configs=dict(spec.configs)) for spec in specs]
    response = await client.create_topics(new)
    for topic, code, message in response.topic_errors:
        kind = for_code(code)
        if kind is NoError:
            made.append(topic)
        elif kind is InvalidReplicationFactorError:
            raise InvalidSetting(
                f"{settings.replication} copies are not possible: {message}", field="kafka.replication"
            )
        elif kind is not TopicAlreadyExistsError:
            raise translated(kind(message or topic), settings, topic)
    return made


async def _described(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, TopicSpec]:
    """Return the topics that are there, as they are."""
    found: dict[str, tuple[int, int]] = {}
    for topic in await client.describe_topics(names):
        kind, partitions = for_code(topic["error_code"]), topic["partitions"]
        if kind is NoError:
            found[topic["topic"]] = len(partitions), min((len(one["replicas"]) for one in partitions), default=0)
        elif not kind.invalid_metadata:
            raise kind(topic["topic"])
    if not found:
        return {}
    configs: dict[str, Mapping[str, str]] = {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
    for response in await client.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(message or name)
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return {name: TopicSpec(name, *numbers, configs[name]) for name, numbers in found.items()}


def _differences(specs: Sequence[TopicSpec], found: Mapping[str, TopicSpec]) -> list[Difference]:
    differences = []
    counts = {found[spec.name].partitions for spec in specs if spec.partitions > 1 and spec.name in found}
    for spec in specs:
        if (topic := found.get(spec.name)) is None:
            differences.append(Difference(spec.name, "topic", "there", "missing", "run: penchant topics create"))
            continue
        if topic.partitions != spec.partitions:
            advice = _about_partitions(spec, topic, agreed=len(counts) == 1 and spec.partitions > 1)
            differences.append(Difference(spec.name, PARTITIONS, str(spec.partitions), str(topic.partitions), advice))
        if topic.replication < spec.replication:
            advice = "add copies with kafka-reassign-partitions, or set PENCHANT_KAFKA__REPLICATION"
            differences.append(
                Difference(spec.name, REPLICATION, str(spec.replication), str(topic.replication), advice)
            )
        for name in (CLEANUP, TIMESTAMP, IN_SYNC, MAX_BYTES):
            want, have = spec.configs[name], topic.configs.get(name, "")
            fits = int(have or 0) >= int(want) if name in (IN_SYNC, MAX_BYTES) else have == want
            if not fits:
                change = f"--entity-type topics --entity-name {spec.name} --alter --add-config {name}={want}"
                differences.append(Difference(spec.name, name, want, have, f"run: kafka-configs {change}"))
    return differences


def _about_partitions(spec: TopicSpec, topic: TopicSpec, *, agreed: bool) -> str:
    if agreed:
        return f"set PENCHANT_KAFKA__PARTITIONS={topic.partitions}: all topics have as many"
    return (
        f"partitions cannot be added or taken later, keys would move: make {spec.name} anew with {spec.partitions} "
        "(stop producers and consumers, copy what is worth keeping, delete the topic, run penchant topics create, "
        "then penchant rebuild)"
    )
