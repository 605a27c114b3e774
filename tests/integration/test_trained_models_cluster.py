"""Trained models in a cluster: consumers give items what is theirs, servers wait for it, a rebuild brings it along."""

import asyncio
from pathlib import Path

import grpc
import numpy as np
import pytest
from penchant.v1.recommendation_pb2 import ListOptions, RecommendRequest
from penchant_adapters.sequences import write_sequence_model
from penchant_adapters.together import write_together_model
from penchant_core.sequence import SequenceModel

from tests.cluster import PENCHANT, Cluster
from tests.integration.conftest import ITEMS, Client, catalogue
from tests.integration.test_profiles import assert_same, lists
from tests.integration.test_rebuild import ended
from tests.integration.test_sequence_model import learned
from tests.integration.test_together_model import MODEL, assert_gained, pairs_told
from tests.sequence_models import model


async def bought(client: Client) -> None:
    """Some people buy; what they bought is learnt when this returns."""
    for user, items in {"a": ["tent", "stove"], "u": ["boots", "tent"], "v": ["phone"]}.items():
        for item in items:
            said = await client.record(user, "purchase", item)
            fresh = RecommendRequest(user_id=user, min_freshness=said.freshness_token, options=ListOptions())
            await client.lists.Recommend(fresh, timeout=20)


async def made_for(cluster: Cluster) -> SequenceModel:
    async with cluster.opened() as store:
        return model(encoder=store.model, dim=store.dim, weight=0.05, ids=list(ITEMS)[::2])


async def expected(cluster: Cluster, made: SequenceModel, liked: list[str]) -> dict[str, float]:
    """What the model has to say of every item to somebody who liked these, oldest first."""
    async with cluster.opened() as store:
        known = await store.items.known(list(ITEMS))
    z = dict(zip(ITEMS, made.embed(list(ITEMS), np.stack([known[item].vector for item in ITEMS])), strict=True))
    state = made.state(np.stack([z[item] for item in liked]))
    return {item: made.about.weight * float(state @ row) for item, row in z.items() if item not in liked}


async def test_servers_wait_for_a_consumer_with_their_models_and_keep_them_through_a_rebuild(
    cluster: Cluster, tmp_path: Path
) -> None:
    first = cluster.consume()
    await cluster.made()
    always_fresh = {"PENCHANT_QDRANT__CACHE_SECONDS": "0"}
    _, plain_address = await asyncio.to_thread(lambda: cluster.serve(**always_fresh))
    made = await made_for(cluster)
    folder = write_sequence_model(tmp_path / "spring", made, {}).parent
    other_folder = write_together_model(tmp_path / "summer", MODEL, {}).parent
    variables = {"PENCHANT_SEQUENCE_MODEL": str(folder), "PENCHANT_TOGETHER_MODEL": str(other_folder)} | always_fresh
    async with grpc.aio.insecure_channel(plain_address) as channel:
        plain_client = Client(channel)
        (answer,) = await plain_client.upsert(*catalogue())
        assert answer.accepted == len(ITEMS)
        await bought(plain_client)
        await cluster.caught_up()
        plain = await lists(plain_client)
        counted = pairs_told(await plain_client.recommend("u", page_size=12, explain=True))
        server = cluster.start(PENCHANT, "serve", "--listen", "127.0.0.1:0", **variables)
        await asyncio.to_thread(server.said, "waiting for the store")
        assert "not every item has its embedding of the model made-up@" in server.text
        assert "sequence_model" in server.text
        assert "address=" not in server.text
        assert await asyncio.to_thread(first.stop) == 0
        second = cluster.consume(**variables)
        address = (await asyncio.to_thread(server.said, r"address=(127\.0\.0\.1:\d+)"))[1]
        async with grpc.aio.insecure_channel(address) as other:
            client = Client(other)
            found = await lists(client)
            assert found["u"] != plain["u"]
            told = await client.recommend("u", page_size=12, explain=True)
            assert learned(told) == pytest.approx(await expected(cluster, made, ["boots", "tent"]), abs=1e-5)
            shares = {"tent": 2 / 3, "boots": 1 / 3}
            assert_gained(pairs_told(told), counted, ITEMS.keys() - shares, shares)
            # Whoever has no models goes on as before.
            assert_same(await lists(plain_client), plain)
            assert await asyncio.to_thread(second.stop) == 0
            await ended(cluster.start(PENCHANT, "rebuild", "--no-wait", **variables))
            del found["x"]  # what is equally popular comes in any order
            assert_same(await lists(client), found)
    assert server.process.poll() is None


async def test_a_model_of_another_encoder_ends_consumers_and_servers_with_the_name_of_the_setting(
    cluster: Cluster, tmp_path: Path
) -> None:
    first = cluster.consume()
    await cluster.made()
    assert await asyncio.to_thread(first.stop) == 0
    folder = write_sequence_model(tmp_path / "other", model(encoder="another", dim=512), {}).parent
    for command in (["consume"], ["serve", "--listen", "127.0.0.1:0"]):
        running = cluster.start(PENCHANT, *command, PENCHANT_SEQUENCE_MODEL=str(folder))
        assert await asyncio.to_thread(running.process.wait, 60) == 2, running.text
        told = " ".join(running.text.split())
        assert "sequence_model" in told
        assert "was learnt with the encoder another, and here" in told
        assert "Traceback" not in told
