"""Profiles of a cluster's servers: taken over while they run, and named in the log by what comes of their lists."""

import asyncio
from pathlib import Path

import grpc
from penchant.v1.recommendation_pb2 import ListOptions, RecommendRequest
from penchant_adapters.attribution import attributed_profile, attributed_request
from penchant_adapters.kafka.decoding import event_message

from tests.cluster import Cluster
from tests.integration.conftest import ITEMS, Client, catalogue
from tests.integration.test_profiles import PAIRS, WORDS, assert_same, becomes, lists, scored_with, write


async def test_servers_take_profiles_over_and_the_log_tells_which_an_event_came_of(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "profiles"
    write(folder, "words", "1", WORDS)
    write(folder, "pairs", "1", PAIRS)
    cluster.consume()
    await cluster.made()
    variables = {"PENCHANT_PROFILES": str(folder), "PENCHANT_PROFILE": "words"}
    (_, address), (_, plain) = [
        await asyncio.to_thread(lambda given=given: cluster.serve(**given))  # type: ignore[misc]  # lambdas have no types
        for given in (variables, {})
    ]
    async with grpc.aio.insecure_channel(address) as one, grpc.aio.insecure_channel(plain) as other:
        client, without = Client(one), Client(other)
        (answer,) = await client.upsert(*catalogue())
        assert answer.accepted == len(ITEMS)
        for user, items in {"a": ["tent", "stove"], "u": ["tent", "boots"], "v": ["phone"]}.items():
            for item in items:
                said = await client.record(user, "purchase", item)
                fresh = RecommendRequest(user_id=user, min_freshness=said.freshness_token, options=ListOptions())
                await client.lists.Recommend(fresh, timeout=20)
        await cluster.caught_up()
        assert (await scored_with(client), await scored_with(client, "pairs")) == ("words@1", "pairs@1")
        assert await scored_with(without) == ""
        words, pairs = await lists(client), await lists(client, "pairs")
        assert words["u"] != pairs["u"]
        write(folder, "words", "2", PAIRS)
        await cluster.until(becomes(client, "words@2"))
        assert_same(await lists(client), pairs)
        token = (await client.recommend("u")).attribution_token
        await client.record("u", "click", "stove", event_id="told", attribution_token=token)
    records = [record for part in (await cluster.log("events")).values() for record in part]
    events = [event_message(record.key, record.value, record.headers) for record in records]
    (told,) = [event for event in events if event.event_id == "told"]
    assert attributed_profile(attributed_request(told.attribution_token)) == "words@2"
