"""The neighbour itself: the engine behind the protocol keeps what it confirmed, and says what it does not know."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError
from penchant_bench.neighbours.qdrant import QdrantProcess
from qdrant_client import AsyncQdrantClient, grpc
from qdrant_client import models as m


@pytest.fixture
def process(tmp_path: Path) -> Iterator[QdrantProcess]:
    with QdrantProcess(tmp_path / "data") as process:
        yield process


@pytest.fixture
async def client(process: QdrantProcess) -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(
        host="127.0.0.1",
        grpc_port=process.port,
        prefer_grpc=True,
        check_compatibility=False,
        timeout=5,
        grpc_options={"grpc.max_reconnect_backoff_ms": 200, "grpc.initial_reconnect_backoff_ms": 50},
    )
    yield client
    await client.close()


async def made(client: AsyncQdrantClient, name: str) -> None:
    dense = {"d": m.VectorParams(size=2, distance=m.Distance.DOT, hnsw_config=m.HnswConfigDiff(m=0))}
    await client.create_collection(name, vectors_config=dense, sparse_vectors_config={"s": m.SparseVectorParams()})


def point(number: int, **payload: Any) -> m.PointStruct:
    vector: dict[str, Any] = {"d": [1.0, float(number)], "s": m.SparseVector(indices=[7], values=[0.5])}
    return m.PointStruct(id=number, vector=vector, payload=payload)


async def until_it_answers(client: AsyncQdrantClient) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await client.get_aliases()
            except AioRpcError:
                continue
            return


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_what_was_confirmed_survives_the_process(
    process: QdrantProcess, client: AsyncQdrantClient, how: str
) -> None:
    await made(client, "one")
    await client.create_payload_index("one", "status", m.PayloadSchemaType.KEYWORD)
    alias = m.CreateAlias(collection_name="one", alias_name="name")
    await client.update_collection_aliases([m.CreateAliasOperation(create_alias=alias)])
    for number in range(1, 200):
        await client.upsert("name", [point(number, status="x", deep={"list": [1, None, "香蕉", 0.5, True]})])
    before = await client.get_collection("name")
    if how == "kill":
        process.kill()
    else:
        assert process.stop() == 0
    process.start()
    await until_it_answers(client)
    after = await client.get_collection("name")
    assert after.config == before.config
    assert set(after.payload_schema) == {"status"}
    assert (await client.count("name")).count == 199
    (found,) = await client.retrieve("name", [150], with_vectors=True)
    assert found.payload == point(150, status="x", deep={"list": [1, None, "香蕉", 0.5, True]}).payload
    assert found.vector == {"d": [1.0, 150.0], "s": m.SparseVector(indices=[7], values=[0.5])}


async def test_aliases_switch_all_at_once_or_not_at_all(client: AsyncQdrantClient) -> None:
    def to(collection: str, *aliases: str) -> list[Any]:
        return [
            m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=collection, alias_name=alias))
            for alias in aliases
        ]

    async def aliases() -> dict[str, str]:
        return {one.alias_name: one.collection_name for one in (await client.get_aliases()).aliases}

    await made(client, "one")
    await made(client, "two")
    await client.update_collection_aliases(to("one", "a", "b"))
    with pytest.raises(AioRpcError) as refused:
        await client.update_collection_aliases([*to("two", "a"), *to("nowhere", "b")])
    assert refused.value.code() is StatusCode.NOT_FOUND
    assert await aliases() == {"a": "one", "b": "one"}
    await client.update_collection_aliases(to("two", "a", "b"))
    assert await aliases() == {"a": "two", "b": "two"}
    renamed = m.RenameAlias(old_alias_name="a", new_alias_name="c")
    gone = m.DeleteAlias(alias_name="b")
    await client.update_collection_aliases(
        [m.RenameAliasOperation(rename_alias=renamed), m.DeleteAliasOperation(delete_alias=gone)]
    )
    assert await aliases() == {"c": "two"}
    assert await client.delete_collection("two")
    assert await aliases() == {}
    assert not await client.collection_exists("c")
    assert [one.name for one in (await client.get_collections()).collections] == ["one"]


async def test_a_collection_is_made_once_and_one_that_is_not_there_is_not_found(client: AsyncQdrantClient) -> None:
    await made(client, "one")
    for call, code in (
        (made(client, "one"), StatusCode.ALREADY_EXISTS),
        (client.retrieve("two", [1]), StatusCode.NOT_FOUND),
        (client.update_vectors("one", [m.PointVectors(id=5, vector={"d": [1.0, 2.0]})]), StatusCode.NOT_FOUND),
        (client.upsert("one", [m.PointStruct(id=1, vector={"d": [1.0]})]), StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(AioRpcError) as refused:
            await call
        assert refused.value.code() is code
    assert await client.collection_exists("one")
    assert not await client.collection_exists("two")


async def test_what_it_does_not_know_is_told_by_name(client: AsyncQdrantClient) -> None:
    await made(client, "one")
    text = m.Filter(must=[m.FieldCondition(key="k", match=m.MatchText(text="x"))])
    asked: list[tuple[Any, str]] = [
        (client.query_points("one", query=m.FusionQuery(fusion=m.Fusion.RRF)), "Query.fusion"),
        (
            client.query_points("one", prefetch=[m.Prefetch(limit=1)], query=[1.0, 2.0], using="d"),
            "QueryPoints.prefetch",
        ),
        (client.scroll("one", scroll_filter=text), "Match.text"),
        (client.scroll("one", order_by="k"), "ScrollPoints.order_by"),
        (client.retrieve("one", ["2b1d1d5c-7b9a-4a7b-8d55-9a3f3a0b7c11"]), "PointId.uuid"),
        (client.facet("one", "k"), "Facet"),
        (client.create_payload_index("one", "k", m.PayloadSchemaType.GEO), "FieldType"),
    ]
    for call, name in asked:
        with pytest.raises(AioRpcError) as refused:
            await call
        assert refused.value.code() is StatusCode.UNIMPLEMENTED
        assert name in str(refused.value.details()), name


async def test_a_batch_is_applied_in_order_and_conditions_hold(client: AsyncQdrantClient) -> None:
    await made(client, "one")
    below = m.Filter(must=[m.FieldCondition(key="v", range=m.Range(lt=5))])
    await client.batch_update_points(
        "one",
        [
            m.UpsertOperation(upsert=m.PointsList(points=[point(1, v=5), point(2, v=4)])),
            m.UpsertOperation(
                upsert=m.PointsList(points=[point(1, v=9), point(2, v=9), point(3, v=9)], update_filter=below)
            ),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"w": 1}, filter=below)),
            m.OverwritePayloadOperation(overwrite_payload=m.SetPayload(payload={"only": 1}, points=[3])),
            m.DeletePayloadOperation(delete_payload=m.DeletePayload(keys=["v"], points=[2])),
            m.DeleteVectorsOperation(delete_vectors=m.DeleteVectors(points=[2], vector=["s"])),
            m.DeleteOperation(delete=m.PointIdsList(points=[4])),
        ],
    )
    found = {one.id: one for one in (await client.scroll("one", with_vectors=True))[0]}
    assert {number: one.payload for number, one in found.items()} == {1: {"v": 5}, 2: {}, 3: {"only": 1}}
    assert set(found[2].vector or {}) == {"d"}


async def test_a_frozen_neighbour_answers_when_it_is_thawed(process: QdrantProcess, client: AsyncQdrantClient) -> None:
    await made(client, "one")
    process.freeze()
    waiting = asyncio.create_task(client.count("one"))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    process.thaw()
    assert (await waiting).count == 0


async def test_it_tells_that_it_serves(client: AsyncQdrantClient) -> None:
    reply = await client._client.grpc_root.HealthCheck(grpc.HealthCheckRequest())  # type: ignore[attr-defined]  # remote
    assert reply.version
