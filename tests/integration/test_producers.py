"""The examples of producers send to a real broker, each from its own language, and what arrives is read as events."""

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from penchant.v1 import event_pb2
from penchant_adapters.kafka.decoding import event_message
from penchant_adapters.kafka.topics import partition_of
from penchant_bench.neighbours.kafka import Broker

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "producers"
BUILT = ROOT / ".make" / "examples"
PARTITIONS = 7
USERS = [
    *(f"user-{n}" for n in range(40)),
    *("mei", "美", "Ünal", "søren", "михаил", "みどり", "a b", "🎒", "e\u0301", "x" * 128),
]
PATIENCE = 60.0
"""Seconds that a program may take on a busy machine."""
BUILD_SECONDS = 900
VARIABLES = {**os.environ, "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Language:
    """How an example is built and run."""

    needs: Sequence[str]
    """Programs."""
    build: Sequence[str]
    """Commands, in a copy of the example's folder that has the client where it stands in the repository."""
    run: Sequence[str]
    flag: str = "--"
    """What options begin with."""


LANGUAGES = {
    "python": Language([], [], [sys.executable, "producer.py"]),
    "go": Language(["go"], ["go build -mod=readonly -o producer ."], ["./producer"], "-"),
    "java": Language(
        ["java", "javac", "mvn"],
        [
            f"mvn -q -B -f ../../../clients/java/pom.xml -DskipTests -Dprotos={ROOT / 'protos'} install",
            "mvn -q -B package",
        ],
        ["java", "-cp", "target/producer.jar:target/lib/*", "dev.penchant.examples.Producer"],
    ),
    "typescript": Language(
        ["node", "npm"],
        ["npm run client", "npm ci --no-audit --no-fund --loglevel=error", "npm run build"],
        ["node", "dist/producer.js"],
    ),
    "rust": Language(
        ["cargo", "cc", "make"],
        # What others have written is built once, whatever changes here.
        [f"cargo build --quiet --target-dir {BUILT / 'cargo'}", f"cp {BUILT / 'cargo/debug/producer'} ."],
        ["./producer"],
    ),
}
BY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


WITH_CLIENT = {"go", "java", "typescript", "rust"}
"""Languages whose example uses the client that stands in the repository."""
MADE = {"__pycache__", "bin", "dist", "node_modules", "producer", "target"}
"""What builds leave behind."""


def files(name: str) -> list[Path]:
    """The files that go into an example, from the root: its own and those of its client, none that a build makes."""
    folders = [EXAMPLES / name, *([ROOT / "clients" / name] if name in WITH_CLIENT else [])]
    found = []
    for folder in folders:
        for here, below, names in os.walk(folder):
            below[:] = sorted(set(below) - MADE)  # not looked into: they are large
            found += [(Path(here) / one).relative_to(ROOT) for one in sorted(set(names) - MADE)]
    return found


def built(name: str) -> Path:
    """Build an example in a folder named by all that goes into it; what is there already is used again."""
    language = LANGUAGES[name]
    for program in language.needs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here to build the example in {name}")
    sources = files(name)
    protos = sorted((ROOT / "protos").rglob("*.proto"))
    content = b"".join((ROOT / path).read_bytes() for path in [*sources, *protos])
    digest = hashlib.sha256("\n".join([*map(str, sources), *language.build]).encode() + content).hexdigest()[:16]
    root = BUILT / f"{name}-{digest}"
    here = (EXAMPLES / name).relative_to(ROOT)
    if not root.exists():
        making = BUILT / f"making-{name}-{os.getpid()}"
        for path in sources:
            (making / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, making / path)
        for command in language.build:
            executed(command.split(), making / here, VARIABLES, BUILD_SECONDS)
        making.rename(root)
    return root / here


def executed(command: Sequence[str], folder: Path, variables: Mapping[str, str], seconds: float) -> str:
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command}: {done.stdout.decode()}{done.stderr.decode()}"
    return done.stdout.decode()


@dataclass(frozen=True)
class Sent:
    """What a producer says and what stands in the log."""

    said: list[tuple[int, int, str]]
    """Partition, offset and user."""
    records: list[Any]


async def made(broker: Broker, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    finally:
        await admin.close()


async def read_back(broker: Broker, topic: str, count: int) -> list[Any]:
    records: list[Any] = []
    async with (
        asyncio.timeout(PATIENCE),
        AIOKafkaConsumer(topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest") as consumer,
    ):
        while len(records) < count:
            batches = await consumer.getmany(timeout_ms=200)
            records.extend(record for batch in batches.values() for record in batch)
    return records


async def send(broker: Broker, prefix: str, name: str, *options: str) -> Sent:
    """Build and run an example for all users."""
    folder = await asyncio.to_thread(built, name)
    language = LANGUAGES[name]
    await made(broker, f"{prefix}.events")
    flags = [f"{language.flag}{option}" for option in options]
    places = [f"{language.flag}bootstrap", broker.bootstrap, f"{language.flag}prefix", prefix]
    command = [*language.run, *places, *flags, *USERS]
    printed = await asyncio.to_thread(executed, command, folder, VARIABLES, PATIENCE)
    lines = [line.split("\t") for line in printed.splitlines()]
    said = [(int(partition), int(offset), user) for partition, offset, user in lines]
    return Sent(said, await read_back(broker, f"{prefix}.events", len(USERS)))


Sending = Callable[[str, str], Sent]


@pytest.fixture(scope="module")
def sending(broker: Broker) -> Sending:
    """Have a language send in an encoding, once for all tests."""

    @cache
    def once(language: str, encoding: str) -> Sent:
        prefix = f"t{uuid.uuid4().hex[:12]}"
        return asyncio.run(send(broker, prefix, language, *(["json"] if encoding == "json" else [])))

    return once


def assert_events(records: Sequence[Any], first_byte: Callable[[bytes], bool]) -> None:
    events = [event_message(record.key, record.value, record.headers) for record in records]
    assert sorted(event.user_id for event in events) == sorted(USERS)
    assert all(first_byte(record.value) for record in records)
    assert len({event.event_id for event in events}) == len(USERS)
    for event, record in zip(events, records, strict=True):
        assert event.event_id
        assert (event.type, event.item_id, event.surface) == ("view", "tent", "home")
        assert abs(event.occurred_at.ToMilliseconds() - record.timestamp) < 60_000


@BY_LANGUAGE
@pytest.mark.parametrize("encoding", ["protobuf", "json"])
def test_an_example_sends_events_that_are_read_and_says_where_they_are(
    sending: Sending, language: str, encoding: str
) -> None:
    done = sending(language, encoding)
    assert_events(done.records, lambda value: (value[:1] == b"{") == (encoding == "json"))
    assert [user for _, _, user in done.said] == USERS
    assert sorted(done.said) == sorted((r.partition, r.offset, r.key.decode()) for r in done.records)
    kinds = {dict(record.headers)["content-type"] for record in done.records}
    assert kinds == {b"application/json" if encoding == "json" else b"application/x-protobuf"}


@BY_LANGUAGE
def test_a_user_has_the_same_partition_whichever_language_sends(sending: Sending, language: str) -> None:
    placed = {record.key: record.partition for record in sending("java", "protobuf").records}
    assert len(set(placed.values())) == PARTITIONS
    assert {record.key: record.partition for record in sending(language, "protobuf").records} == placed
    assert {key: partition_of(key, PARTITIONS) for key in placed} == placed


async def test_the_example_of_the_page_runs(broker: Broker, prefix: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "producing.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert "penchant.events" in example
    assert "127.0.0.1:9092" in example
    await made(broker, f"{prefix}.events")
    example = example.replace("127.0.0.1:9092", broker.bootstrap).replace("penchant.events", f"{prefix}.events")
    await asyncio.to_thread(executed, [sys.executable, "-c", example], tmp_path, VARIABLES, PATIENCE)
    (record,) = await read_back(broker, f"{prefix}.events", 1)
    event = event_message(record.key, record.value, record.headers)
    assert event == event_pb2.Event(
        event_id=event.event_id, user_id="mei", type="view", item_id="tent", occurred_at=event.occurred_at
    )
    assert event.event_id
    assert record.partition == partition_of(b"mei", PARTITIONS)


def test_lock_files_name_no_address() -> None:
    for path in [*EXAMPLES.rglob("package-lock.json"), *EXAMPLES.rglob("go.sum"), *EXAMPLES.rglob("pom.xml")]:
        text = path.read_text()
        assert not re.search(r'"resolved": "(?!\.\./)', text), path
        assert "<repository>" not in text, path
