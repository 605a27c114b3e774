"""A real broker for tests: one for the whole session, started when the first test asks for it."""

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from penchant_adapters.settings_groups import KafkaSettings
from penchant_bench.neighbours.jars import NotHere
from penchant_bench.neighbours.kafka import Broker

NEEDED = "PENCHANT_TEST_REQUIRE_KAFKA"
"""With this variable set, a broker that cannot run fails the tests instead of skipping them."""


def settings_for(broker: Broker, prefix: str, **more: Any) -> KafkaSettings:
    """Settings of a test: few partitions, names of its own."""
    given: dict[str, Any] = {"bootstrap": broker.bootstrap, "topic_prefix": prefix, "group": prefix, "partitions": 3}
    return KafkaSettings(**given | more)


def here(start: Broker) -> Broker:
    """Start a broker; the test is skipped where Java or Maven are missing."""
    try:
        start.start()
    except NotHere as missing:
        if os.environ.get(NEEDED):
            raise
        pytest.skip(str(missing))
    return start


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker of the session; it must not be stopped. Topics are the tests' own: see ``prefix``."""
    running = here(Broker(tmp_path_factory.mktemp("kafka")))
    yield running
    running.stop()


@pytest.fixture
def prefix() -> str:
    """A prefix for topics and groups that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"
