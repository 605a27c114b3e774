"""Another encoder is rolled out while the service answers: no call fails, and no list mixes the vectors of two."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from penchant.v1 import catalog_pb2, model_pb2, model_pb2_grpc, recommendation_pb2
from penchant.v1.recommendation_pb2 import StreamStart, WatchRecommendationsRequest
from penchant_adapters.edge import EdgeStore, open_edge
from penchant_adapters.edge.store import made_with
from penchant_adapters.encoders import CachedEncoder, WorkerEncoder, open_encoder
from penchant_adapters.spaces import read_registry
from penchant_core.errors import StoreMismatch
from penchant_core.pipeline import Learner
from penchant_core.spaces import Space
from penchant_core.tuning import Tuning
from penchant_core.vectors import Matrix
from penchant_server.operator_key import METADATA, operator_key

from tests.integration.conftest import Client, Start, Up, served
from tests.tiny_models import tiny_model

CLOSE = 4e-3
"""Of a cosine of vectors that were kept in half precision to what the model says."""
COUNT = 640
USERS = 24
ONLY_WORDS = {
    "PENCHANT_SCORING__EVIDENCE": "0",
    "PENCHANT_SCORING__CONTENT": "1",
    "PENCHANT_SCORING__TOGETHER": "0",
    "PENCHANT_ENCODER_THREADS": "1",
}
"""Settings with which the score of who liked one thing is the cosine to it."""
COLOURS = ("red", "old", "large", "small", "wooden", "cheap", "blue", "green", "fine", "warm")
THINGS = ("lamp", "kettle", "violin", "novel", "rope", "compass", "bread", "scarf", "camera", "drill")


def titled(number: int, mark: str = "") -> str:
    return f"{COLOURS[number % 10]} {THINGS[number // 10 % 10]} {mark or 'no'} {number}"


def thing(number: int, mark: str = "") -> catalog_pb2.Item:
    return catalog_pb2.Item(item_id=f"i{number}", title=titled(number, mark))


class Asked(Client):
    """A client with the operator's key."""

    def __init__(self, channel: grpc.aio.Channel, data_dir: Path) -> None:
        super().__init__(channel)
        self.models: Any = model_pb2_grpc.ModelServiceStub(channel)
        self.key = ((METADATA, operator_key(data_dir)),)

    async def listed_models(self) -> dict[str, model_pb2.Model]:
        answer = await self.models.ListModels(model_pb2.ListModelsRequest(), metadata=self.key)
        return {one.encoder: one for one in answer.models}

    async def add(self, encoder: str) -> model_pb2.Model:
        answer = await self.models.AddModel(model_pb2.AddModelRequest(encoder=encoder), metadata=self.key)
        return answer.model  # type: ignore[no-any-return]

    async def shadow(self, model: str, share: float) -> None:
        await self.models.ShadowModel(model_pb2.ShadowModelRequest(model=model, share=share), metadata=self.key)

    async def promote(self, model: str) -> None:
        await self.models.PromoteModel(model_pb2.PromoteModelRequest(model=model), metadata=self.key)

    async def roll_back(self) -> str:
        answer = await self.models.RollBack(model_pb2.RollBackRequest(), metadata=self.key)
        return str(answer.model.encoder)

    async def remove(self, model: str) -> None:
        await self.models.RemoveModel(model_pb2.RemoveModelRequest(model=model), metadata=self.key)

    async def until(self, encoder: str, fact: Callable[[model_pb2.Model], bool]) -> model_pb2.Model:
        """Ask until a fact holds of a model."""
        async with asyncio.timeout(120):
            while not fact(found := (await self.listed_models())[encoder]):
                assert not found.problem
                await asyncio.sleep(0.005)
        return found


async def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact."""
    async with asyncio.timeout(120):
        while not fact():  # noqa: ASYNC110 it is found out about, not told
            await asyncio.sleep(0.005)


def whole(model: model_pb2.Model) -> bool:
    return model.state == model_pb2.Model.STATE_WHOLE


@asynccontextmanager
async def asking(running: Up, data_dir: Path) -> AsyncIterator[Asked]:
    async with grpc.aio.insecure_channel(running.address) as channel:
        yield Asked(channel, data_dir)


class Truth:
    """What each model has to say of the words, asked of the models themselves."""

    def __init__(self, encoders: Mapping[str, WorkerEncoder]) -> None:
        self.encoders = encoders
        self.known: dict[tuple[str, str], Matrix] = {}

    async def vectors(self, model: str, words: list[str]) -> Matrix:
        missing = [one for one in dict.fromkeys(words) if (model, one) not in self.known]
        for one, row in zip(missing, await self.encoders[model].encode(missing), strict=True):
            self.known[model, one] = row
        return np.stack([self.known[model, one] for one in words])

    async def fits(self, model: str, said: str, listed: list[tuple[str, float]]) -> bool:
        """Tell whether all scores are the model's cosines of what was said to the words of what is listed."""
        rows = await self.vectors(model, [said, *(words for words, _ in listed)])
        wanted = rows[1:] @ rows[0]
        return bool(np.allclose(wanted, [score for _, score in listed], atol=CLOSE))


Listed = tuple[str, str, list[tuple[str, float]]]
"""A list: the model that is said to have made it, what was asked for, and what is listed with which score."""


class Load:
    """Callers of every kind, all the time; whatever fails fails the test."""

    def __init__(self, client: Asked) -> None:
        self.client = client
        self.lists: list[Listed] = []
        self.streamed: list[Listed] = []
        self.calls = self.put = self.said = 0
        self.over = False
        self.titles = {f"i{n}": titled(n) for n in range(COUNT)}

    def _kept(self, model: str, said: str, found: Any) -> None:
        assert found
        self.lists.append((model, said, [(one.item.title, one.score) for one in found]))
        self.calls += 1

    async def ask(self) -> None:
        while not self.over:
            number = self.calls % USERS
            answer = await self.client.recommend(f"u{number}", include_items=True)
            self._kept(answer.model, titled(number), answer.recommendations)
            options = recommendation_pb2.ListOptions(include_items=True)
            said = titled(self.calls % 100)
            found = await self.client.lists.SearchItems(
                recommendation_pb2.SearchItemsRequest(query=said, options=options)
            )
            self._kept(found.model, said, found.recommendations)

    async def put_items(self) -> None:
        while not self.over:
            new, again = COUNT + self.put, 300 + self.put % 200
            for item in (thing(new), thing(again, f"anew{self.put}")):
                await self.client.upsert(item)
                self.titles[item.item_id] = item.title
            self.put += 1
            await asyncio.sleep(0.02)

    async def say(self) -> None:
        while not self.over:
            await self.client.record(f"w{self.said}", "review", f"i{self.said % 100}", text=f"quite {self.said} good")
            self.said += 1
            await asyncio.sleep(0.01)

    async def watch(self, number: int) -> None:
        """Follow a user, as a client does: what an update does not tell is as it was."""
        options = recommendation_pb2.ListOptions(include_items=True)
        request = WatchRecommendationsRequest(open=StreamStart(user_id=f"u{number}", options=options))
        shown: dict[str, tuple[str, float]] = {}
        async for answer in self.client.lists.WatchRecommendations(request):
            update = answer.update
            if update.snapshot:
                shown = {}
            shown |= {one.item_id: (one.item.title, one.score) for one in update.recommendations}
            self.streamed.append((update.model, titled(number), [shown[item_id] for item_id in update.order]))

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do *work* under it."""
        async with asyncio.TaskGroup() as tasks:
            watching = [tasks.create_task(self.watch(number)) for number in range(2)]
            for calling in (self.ask(), self.ask(), self.put_items(), self.say()):
                tasks.create_task(calling)
            await work()
            self.over = True
            for one in watching:
                one.cancel()

    async def streams(self, model: str) -> None:
        """Wait until both streams have a list of a model."""
        begun = len(self.streamed)
        await until(lambda: len({said for by, said, _ in self.streamed[begun:] if by == model}) > 1)


async def stock(client: Asked) -> None:
    numbers = range(COUNT)
    for start in range(0, COUNT, 320):
        await client.upsert(*(thing(n) for n in numbers[start : start + 320]))
    for number in range(USERS):
        await client.record(f"u{number}", "like", f"i{number}")


async def assert_complete(data_dir: Path, encoder: WorkerEncoder, titles: Mapping[str, str]) -> None:
    """Everything in the store has the vector that the model gives its words as they are now."""
    made = made_with(data_dir)
    assert made is not None
    with open_edge(data_dir, encoder.name, encoder.dim, made.covisitation, 0) as store:
        known = await store.items.known(list(titles))
        assert known.keys() == titles.keys()
        words = [one.item.words for one in known.values()]
        wanted = await encoder.encode(words)
        found = np.stack([one.vector for one in known.values()])
        assert np.einsum("ij,ij->i", found, wanted).min() > 1.0 - CLOSE
        assert {one.item.title for one in known.values()} == set(titles.values())
        await assert_users_complete(store, encoder)


async def assert_users_complete(store: EdgeStore, encoder: WorkerEncoder) -> None:
    cached = CachedEncoder(encoder)
    learner = Learner(store.stores, cached, Tuning(), lambda: 0)
    space = Space(cached, store.items, store.items)
    count = 0
    async for page in store.users.all():
        for one in page:
            wanted = await learner.whole_interests({one.user_id: one.written.state.ledger}, space)
            assert one.written.interest is not None, one.user_id
            assert float(one.written.interest @ wanted[one.user_id]) > 1.0 - CLOSE, one.user_id
            count += 1
    assert count >= USERS


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
async def truth(tiny: str) -> AsyncIterator[Truth]:
    opened = [open_encoder("builtin:"), open_encoder(tiny, threads=1, device="cpu")]
    yield Truth({one.name: one for one in opened})
    for one in opened:
        await one.aclose()


async def test_a_model_is_rolled_out_under_load_and_no_call_fails_and_no_list_mixes_two(
    tmp_path: Path, up: Start, tiny: str, truth: Truth
) -> None:
    data_dir = tmp_path / "store"
    new, old = truth.encoders
    running = up(data_dir, PENCHANT_ENCODER=tiny, **ONLY_WORDS)
    async with asking(running, data_dir) as client:
        await stock(client)
        load = Load(client)

        async def roll_out() -> None:
            await load.streams(old)
            assert (await client.add("builtin:")).name == new
            await client.until("builtin:", whole)
            await client.shadow(new, 1.0)
            found = await client.until("builtin:", lambda one: one.comparison.lists >= 20)
            assert 0.0 <= found.comparison.overlap < 1.0
            assert 0.0 < found.comparison.p50 <= found.comparison.p99
            await client.promote("builtin:")
            answer = await client.recommend("u0")
            assert answer.model == new
            await load.streams(new)
            assert await client.roll_back() == tiny
            assert (await client.recommend("u0")).model == old
            await load.streams(old)
            await client.promote(new)
            await load.streams(new)
            await client.remove(old)
            before = load.calls
            await until(lambda: load.calls >= before + 20)
            assert list(await client.listed_models()) == ["builtin:"]

        await load.run(roll_out)
        assert running.stop() == 0
    assert load.put > 5
    assert load.said > 5
    by: dict[str, int] = dict.fromkeys(truth.encoders, 0)
    for made_by, said, listed in load.lists + load.streamed:
        other = old if made_by == new else new
        assert await truth.fits(made_by, said, listed), (made_by, said, listed)
        assert not await truth.fits(other, said, listed)
        by[made_by] += 1
    assert min(by.values()) > 20
    await assert_complete(data_dir, truth.encoders[new], load.titles)
    registry = read_registry(data_dir)
    assert registry is not None
    assert [one.model for one in registry.spaces] == [new]
    assert not registry.leaving
    with pytest.raises(StoreMismatch, match="has no space of"):
        await assert_complete(data_dir, truth.encoders[old], {})


async def test_a_fill_that_a_kill_cut_short_goes_on_at_the_next_start(
    tmp_path: Path, up: Start, tiny: str, truth: Truth
) -> None:
    data_dir = tmp_path / "store"
    new, old = truth.encoders
    running = up(data_dir, PENCHANT_ENCODER=tiny, **ONLY_WORDS)
    async with asking(running, data_dir) as client:
        await stock(client)
        await client.add("builtin:")
        await client.until("builtin:", lambda one: 0 < one.items_lacking < COUNT - 64)
        await asyncio.to_thread(running.kill)
    registry = read_registry(data_dir)
    assert registry is not None
    assert not registry.of(new).whole
    running = up(data_dir, PENCHANT_ENCODER=tiny, **ONLY_WORDS)
    async with asking(running, data_dir) as client:
        assert (await client.recommend("u0")).model == old
        await client.upsert(thing(COUNT), thing(300, "anew"))
        await client.record("late", "like", "i5")
        await client.until("builtin:", whole)
        await client.promote(new)
        await asyncio.to_thread(running.kill)
    # The setting still names the first one: what was promoted answers, and the first is kept up to go back to.
    running = up(data_dir, PENCHANT_ENCODER=tiny, **ONLY_WORDS)
    async with asking(running, data_dir) as client:
        assert (await client.recommend("u0")).model == new
        await client.until(tiny, whole)
        assert await client.roll_back() == tiny
        assert (await client.recommend("u0")).model == old
    assert running.stop() == 0
    titles = {f"i{n}": titled(n) for n in range(COUNT + 1)} | {"i300": titled(300, "anew")}
    for encoder in truth.encoders.values():
        await assert_complete(data_dir, encoder, titles)


async def refused(call: Awaitable[Any]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await call
    return f"{found.value.code().name}: {found.value.details()}"


async def test_models_are_changed_with_the_operators_key_only_and_what_cannot_be_is_refused(
    store: Path, tiny: str, tmp_path: Path
) -> None:
    async with served(store) as plain:
        client = Asked(plain.channel, store)
        assert (store / "operator.key").stat().st_mode & 0o777 == 0o600
        for key in ((), ((METADATA, "another"),)):
            client.key = key  # type: ignore[assignment]
            assert "UNAUTHENTICATED" in await refused(client.listed_models())
            assert "UNAUTHENTICATED" in await refused(client.add(tiny))
        client = Asked(plain.channel, store)
        (only,) = (await client.listed_models()).values()
        assert "no model to go back to" in await refused(client.roll_back())
        assert "is the one that answers" in await refused(client.remove(only.name))
        assert "is the one that answers" in await refused(client.shadow(only.name, 0.5))
        assert "is none of the models" in await refused(client.promote("another"))
        assert "cannot be used" in await refused(client.add("hf:/no/such/folder"))
        assert "is there already" in await refused(client.add("builtin:"))
        assert "share" in await refused(client.shadow(only.name, 1.5))
        assert [only] == list((await client.listed_models()).values())
        assert not (store / "spaces.json").exists()
        await client.add(tiny)
        await client.until(tiny, whole)
        await client.promote(tiny)
        assert (await client.recommend("x")).model.startswith("hf:tiny@")
    with pytest.raises(StoreMismatch, match="penchant models add"):
        async with served(store, encoder=tiny_model(tmp_path / "third", seed=2)):
            pass
