"""Items with pictures: taken in, understood beside their words, kept for other models, and refused where broken."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from penchant.v1 import catalog_pb2, recommendation_pb2
from penchant_adapters import contract
from penchant_adapters.encoders import CachedEncoder, open_encoder
from penchant_core.vectors import Vector

from tests.cluster import Cluster, cluster
from tests.encoder_models import picture, write_tiny_encoder, write_tiny_seeing
from tests.integration.conftest import served
from tests.integration.test_cluster import connected
from tests.integration.test_models import Asked, whole

__all__ = ["cluster"]

WORDS = ["trail", "shoes", "red", "lipstick", "argan", "oil", "lamp"]
RED, BLUE = picture(210, 20, 20, kind="JPEG"), picture(20, 30, 220, kind="WEBP")
TORN = picture(90, 90, 90, side=200, kind="JPEG")[:700]
ITEMS = [
    catalog_pb2.Item(item_id="shoes", title="trail shoes", images=[RED]),
    catalog_pb2.Item(item_id="lipstick", title="red lipstick", images=[RED, BLUE]),
    catalog_pb2.Item(item_id="oil", title="argan oil", images=[BLUE]),
    catalog_pb2.Item(item_id="lamp", title="lamp"),
]


def what(error: status_pb2.Status) -> str:
    for detail in error.details:
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            return f"{bad.field_violations[0].field}: {bad.field_violations[0].description}"
    return str(error.message)


@pytest.fixture
def seeing(tmp_path: Path) -> str:
    return f"hf:{write_tiny_seeing(tmp_path / 'seeing', WORDS)}"


async def test_items_are_like_each_other_by_words_and_pictures(tmp_path: Path, seeing: str) -> None:
    async with open_encoder(seeing, device="cpu") as encoder:
        rows = await encoder.encode(["trail shoes", RED, "red lipstick", BLUE, "argan oil", "lamp"])
    shoes, red, lipstick, blue, oil, lamp = rows

    def unit(*parts: Vector) -> Vector:
        whole: Vector = np.sum(parts, axis=0) / np.linalg.norm(np.sum(parts, axis=0))
        return whole

    wanted = {"shoes": unit(shoes, red), "lipstick": unit(lipstick, unit(red, blue)), "oil": unit(oil, blue)}
    wanted["lamp"] = lamp
    async with served(tmp_path / "data", encoder=seeing, encoder_threads=1) as client:
        (answer,) = await client.upsert(*ITEMS)
        assert (answer.accepted, list(answer.refused)) == (4, [])
        known = await client.store.items.known(list(wanted))
        for item_id, mine in wanted.items():
            np.testing.assert_allclose(known[item_id].vector, mine, atol=1e-3)
            request = recommendation_pb2.SimilarItemsRequest(item_id=item_id)
            found = (await client.lists.SimilarItems(request)).recommendations
            others = sorted(wanted.keys() - {item_id}, key=lambda other: -float(mine @ wanted[other]))
            assert [one.item_id for one in found] == others
        # Large, and of use to encoders only: nobody gets them back.
        assert not (await client.items.GetItem(catalog_pb2.GetItemRequest(item_id="shoes"))).item.images
        listed = await client.items.ListItems(catalog_pb2.ListItemsRequest())
        assert [len(item.images) for item in listed.items] == [0, 0, 0, 0]


async def test_a_model_that_sees_finds_the_pictures_of_items_from_before_it(tmp_path: Path, seeing: str) -> None:
    blind = f"hf:{write_tiny_encoder(tmp_path / 'blind', WORDS)}"
    names = [item.item_id for item in ITEMS]
    async with served(tmp_path / "fresh", encoder=seeing, encoder_threads=1) as client:
        await client.upsert(*ITEMS)
        wanted = {item_id: one.vector for item_id, one in (await client.store.items.known(names)).items()}
    async with served(tmp_path / "data", encoder=blind, encoder_threads=1) as client:
        await client.upsert(*ITEMS)
        models = Asked(client.channel, tmp_path / "data")
        added = await models.add(seeing)
        await models.until(added.encoder, whole)
        await models.promote(added.encoder)
        found = {item_id: one.vector for item_id, one in (await client.store.items.known(names)).items()}
    assert found.keys() == wanted.keys()
    for item_id, vector in found.items():
        np.testing.assert_allclose(vector, wanted[item_id], atol=1e-6)


async def test_a_broken_picture_is_refused_by_name_and_the_rest_is_taken(tmp_path: Path) -> None:
    async with served(tmp_path / "data") as client:
        (answer,) = await client.upsert(
            ITEMS[0],
            catalog_pb2.Item(item_id="torn", title="a lamp", images=[RED, TORN]),
            catalog_pb2.Item(item_id="text", title="a lamp", images=[b"no picture"]),
            catalog_pb2.Item(item_id="large", title="a lamp", images=[b"\0" * 65_537]),
            ITEMS[3],
        )
        assert answer.accepted == 2
        assert {one.item_id: what(one.error).split(":", 1)[0] for one in answer.refused} == {
            "torn": "item.images[1]",
            "text": "item.images[0]",
            "large": "item.images[0]",
        }
        assert "is damaged" in what(answer.refused[0].error)
        assert "is no JPEG, PNG or WebP" in what(answer.refused[1].error)
        assert "has 65,537 bytes, at most 65,536 are allowed" in what(answer.refused[2].error)


async def test_behind_a_log_pictures_are_learnt_and_a_torn_one_is_a_dead_letter(cluster: Cluster, seeing: str) -> None:
    variables = {"PENCHANT_ENCODER": seeing, "PENCHANT_ENCODER_THREADS": "1"}
    cluster.consume(**variables)
    await cluster.made()
    _, address = await asyncio.to_thread(lambda: cluster.serve(**variables))
    torn = catalog_pb2.Item(item_id="torn", title="red lamp", images=[BLUE, TORN])
    async with connected(address) as client, cluster.producing() as producer:
        (answer,) = await client.upsert(*ITEMS[:2])
        assert answer.accepted == 2
        for item in (torn, *ITEMS[2:]):  # as producers send that need no server
            topic = f"{cluster.prefix}.items"
            await producer.send_and_wait(topic, item.SerializeToString(), key=item.item_id.encode())
        await cluster.caught_up()
    async with open_encoder(seeing, device="cpu") as encoder, cluster.opened() as store:
        cached = CachedEncoder(encoder)
        known = await store.items.known([*(item.item_id for item in ITEMS), "torn"])
        assert known.keys() == {item.item_id for item in ITEMS}
        for item in ITEMS:
            (wanted,) = await cached.encode([contract.item(item).content])
            np.testing.assert_allclose(known[item.item_id].vector, wanted, atol=2e-3)
    (letter,) = json.loads(await asyncio.to_thread(cluster.run, "dlq", "list", "--topic", "items", "--json"))
    assert "a picture of 700 bytes is damaged" in letter["reason"]
