"""Another encoder is rolled out behind a log: consumers fill it, servers go over to it and back, and no call fails."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from penchant.v1 import catalog_pb2, recommendation_pb2
from penchant_adapters.kafka.topics import create
from penchant_bench.neighbours.kafka import Broker
from penchant_bench.neighbours.qdrant import QdrantProcess

from tests.cluster import Cluster, Running
from tests.integration.conftest import Client
from tests.integration.test_cluster import connected
from tests.integration.test_models import ONLY_WORDS, Listed, Truth, thing, tiny, titled, truth

__all__ = ["tiny", "truth"]

COUNT, USERS = 150, 8
BUILTIN = "builtin:"


@pytest.fixture
def cluster(broker: Broker, qdrant: QdrantProcess, tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(broker, qdrant, f"t{uuid.uuid4().hex[:12]}", tmp_path)
    yield found
    found.end()


def variables(encoder: str, *beside: str) -> dict[str, str]:
    return ONLY_WORDS | {"PENCHANT_ENCODER": encoder, "PENCHANT_ENCODERS_BESIDE": json.dumps(beside)}


class Asking:
    """Users who ask one server after the other, all the time, and somebody who describes items."""

    def __init__(self) -> None:
        self.servers: list[Client] = []
        self.lists: list[Listed] = []
        self.put = 0
        self.over = False

    async def ask(self) -> None:
        options = recommendation_pb2.ListOptions(include_items=True)
        number = 0
        while not self.over:
            number += 1
            user = number % USERS
            request = recommendation_pb2.RecommendRequest(user_id=f"u{user}", options=options)
            answer = await self.servers[number % len(self.servers)].lists.Recommend(request, timeout=20)
            listed = [(one.item.title, one.score) for one in answer.recommendations]
            self.lists.append((answer.model, titled(user), listed))
            await asyncio.sleep(0.02)

    async def describe(self) -> None:
        while not self.over:
            # The same words: a server may tell an item's title for a moment longer than its vector stands.
            again = catalog_pb2.Item(item_id=f"i{self.put % 100}", title=titled(self.put % 100), price=self.put)
            await self.servers[0].upsert(thing(COUNT + self.put), again)
            self.put += 1
            await asyncio.sleep(0.05)

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for calling in (self.ask(), self.describe()):
                tasks.create_task(calling)
            await work()
            self.over = True

    async def more(self, model: str) -> None:
        """Wait for lists of a model."""
        begun = len(self.lists)
        async with asyncio.timeout(60):
            while sum(by == model for by, _, _ in self.lists[begun:]) < 2 * USERS:  # noqa: ASYNC110 found out about
                await asyncio.sleep(0.02)


async def stopped(running: Running) -> None:
    assert await asyncio.to_thread(running.stop) == 0


async def test_an_encoder_is_rolled_out_over_a_cluster_and_back_and_no_call_fails(
    cluster: Cluster, tiny: str, truth: Truth
) -> None:
    new, names = tiny, dict(zip((BUILTIN, tiny), truth.encoders, strict=True))
    await create(cluster.settings.kafka)
    early = cluster.consume(**variables(BUILTIN))
    await cluster.made()
    asking = Asking()

    async def served(encoder: str) -> tuple[Running, Any]:
        running, address = await asyncio.to_thread(lambda: cluster.serve(**variables(encoder)))
        return running, connected(address)

    old_server, connection = await served(BUILTIN)
    async with connection as before:
        asking.servers = [before]
        await before.upsert(*(thing(n) for n in range(COUNT)))
        for number in range(USERS):
            said = await before.record(f"u{number}", "like", f"i{number}")
        await before.lists.Recommend(
            recommendation_pb2.RecommendRequest(user_id=f"u{USERS - 1}", min_freshness=said.freshness_token), timeout=60
        )

        async def rolled_out() -> None:
            # The consumers first: one with both joins, the one without goes.
            both = cluster.consume(**variables(BUILTIN, new))
            await asyncio.to_thread(both.said, r"a model is whole.*tiny")
            await stopped(early)
            # What it wrote last is looked for by whoever starts last.
            last = cluster.consume(**variables(new, BUILTIN))
            await asyncio.to_thread(last.said, r"a model is whole.*tiny")
            new_server, connection = await served(new)
            async with connection as after:
                asking.servers = [before, after]
                await asking.more(names[new])
                asking.servers = [after]
                await asking.more(names[new])
                await stopped(both)
                # And back: what was learnt since is there too.
                asking.servers = [before, after]
                await asking.more(names[BUILTIN])
                asking.servers = [before]
                await asking.more(names[BUILTIN])
            await stopped(new_server)

        await asking.run(rolled_out)
    await stopped(old_server)
    assert {by for by, _, _ in asking.lists} == set(truth.encoders)
    assert asking.put
    assert all([await truth.fits(*listed) for listed in asking.lists])
    listed = json.loads(await asyncio.to_thread(cluster.run, "spaces", "list", "--json"))
    assert [one["model"] for one in listed] == [names[BUILTIN], names[new]]
    with pytest.raises(AssertionError, match="consumers write vectors of"):
        await asyncio.to_thread(cluster.run, "spaces", "remove", names[BUILTIN])
