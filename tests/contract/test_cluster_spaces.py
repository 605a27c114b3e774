"""Two encoders in one store on Qdrant: each is read alone, and what writers without one left out is made good."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from penchant_adapters.qdrant import QdrantStore
from penchant_adapters.qdrant.itemstates import QdrantItems
from penchant_consumers.beside import Beside, Filling, encoded, read_beside
from penchant_core.errors import InvalidField, StoreMismatch, Unavailable
from penchant_core.ledger import Ledger
from penchant_core.log import UserState, Written
from penchant_core.model import Event, Filter, Item
from penchant_core.ports import Query
from penchant_core.reading import Reader
from penchant_core.tuning import Scoring, Tuning

from tests.contract.engines import OFFSETS, SETTINGS, Place
from tests.contract.test_spaces import NEW, OLD, Hashed
from tests.contract.test_trained_rollout import Slow

COUNT = 70
TUNING = Tuning(covisitation=SETTINGS, scoring=Scoring(words=1.0))


def thing(number: int, mark: str = "") -> Item:
    return Item(f"i{number}", f"thing {number}{mark}")


def liked(number: int) -> UserState:
    events = [Event(f"e{number}", f"u{number}", "like", 1_780_000_000_000, f"i{number}", f"words {number}")]
    return UserState(Ledger().with_events(events), 10 * number)


@asynccontextmanager
async def opened(
    place: Place, encoder: Hashed | None, *beside: Hashed, create: bool = True
) -> AsyncIterator[QdrantStore]:
    async with place.opened(
        model=encoder and encoder.name,
        dim=encoder and encoder.dim,
        beside={one.name: one.dim for one in beside},
        create=create,
    ) as store:
        yield store


def spaces(store: QdrantStore, *encoders: Hashed) -> list[Beside]:
    return [Beside(one, Reader(store.beside[one.name], one, TUNING)) for one in encoders]


async def put(store: QdrantStore, encoder: Hashed, items: Sequence[Item], *beside: Hashed) -> None:
    words = [item.words for item in items]
    vectors, others = await encoder.encode(words), await encoded(spaces(store, *beside), words)
    rows = [(next(OFFSETS), item, vector) for item, vector in zip(items, vectors, strict=True)]
    await store.items.put_items(rows, others)


async def fill(store: QdrantStore, *beside: Beside) -> None:
    """Run fills until all spaces are whole."""
    filling = [asyncio.create_task(Filling(store, one).run()) for one in beside]
    async with asyncio.timeout(60):
        while not (all(o.whole for o in (await store.spaces.there()).values()) and all(o.peopled for o in beside)):
            assert not any(task.done() for task in filling)
            await asyncio.sleep(0.01)
    for task in filling:
        task.cancel()
    await asyncio.gather(*filling, return_exceptions=True)


async def assert_answers_by(store: QdrantStore, encoder: Hashed, items: Sequence[Item]) -> None:
    (asked,), rows = await encoder.encode(["a question"]), await encoder.encode([item.words for item in items])
    found = await store.items.candidates(Query(asked, (asked,), {}, 0.0, Filter(), 1_000))
    scores = {one.item_id: one.content for one in found}
    wanted = {item.item_id: float(asked @ row) for item, row in zip(items, rows, strict=True)}
    assert scores == pytest.approx(wanted, abs=1e-5)


async def interests(store: QdrantStore, encoder: Hashed) -> dict[str, np.ndarray[Any, Any]]:
    """Return the interests that stand in a space."""
    users = store.generations.collection("users", None)
    name = store.spaces.names(encoder.name).interest
    found, _ = await users.page(None, 1_000, None, vectors=(name,))
    return {str(one.payload["id"]): one.dense[name] for one in found if name in one.dense}


async def test_pictures_are_kept_for_encoders_and_shown_to_nobody(place: Place) -> None:
    items = [replace(thing(0), images=(b"one", b"two")), thing(1), replace(thing(2), images=(b"three",))]
    async with opened(place, OLD) as store:
        await put(store, OLD, items)
        await put(store, OLD, [items[0], thing(2)])
    async with opened(place, OLD, NEW) as store:
        lacking, _ = await store.items.lacking(NEW.name, None)
        images = {one.item.item_id: one.item.images for one in lacking}
        assert images == {"i0": (b"one", b"two"), "i1": (), "i2": ()}
        known = await store.items.known(["i0", "i1", "i2"])
        page, _ = await store.items.page("", 10)
        assert {one.images for one in (*page, *(known.item for known in known.values()))} == {()}
        stored = {one.item_id: one.item for part in [p async for p in store.items.all()] for one in part}
        assert stored["i0"] == items[0]


async def test_a_second_encoder_is_filled_read_and_written_and_the_first_is_as_it_was(place: Place) -> None:
    items = [thing(n) for n in range(COUNT)]
    people = {f"u{n}": liked(n) for n in range(40)}
    async with opened(place, OLD) as store:
        await put(store, OLD, items)
        reader = Reader(store.items, OLD, TUNING)
        wholes = await reader.wholes({user: state.ledger for user, state in people.items()})
        await store.users.write({u: Written(s, wholes[u].interest, wholes[u].words) for u, s in people.items()})
        before = await interests(store, OLD)
    async with opened(place, OLD, NEW) as store:
        with pytest.raises(Unavailable, match="not every item has its vector of new@1"):
            async with opened(place, NEW, create=False):
                pass
        (new,) = spaces(store, NEW)
        await fill(store, new)
        items[3] = thing(3, " anew")
        items.append(thing(COUNT))
        await put(store, OLD, [items[3], items[-1]], NEW)
        both = await read_beside([new], {"u3": liked(3).ledger, "x": liked(5).ledger})
        (whole,) = (await Reader(store.items, OLD, TUNING).wholes({"x": liked(5).ledger})).values()
        await store.users.write({"x": Written(liked(5), whole.interest, whole.words, both["x"])})
        assert (await interests(store, OLD)).keys() == before.keys() | {"x"}
        there = await interests(store, NEW)
        assert there.keys() == before.keys() | {"x"}
        (u7,) = await NEW.encode(["thing 7"])
        (said,) = await NEW.encode(["words 7"])
        assert there["u7"] == pytest.approx((u7 + said) / np.linalg.norm(u7 + said), abs=0.3)
    for encoder in (OLD, NEW):
        primed: dict[str, bytes] = {}
        async with opened(place, encoder, create=False) as server:
            server.users.prime = primed.update
            await assert_answers_by(server, encoder, items)
            await server.users.ledgers(["u7", "x"])
        for text, half in primed.items():
            (row,) = await encoder.encode([text])
            assert np.frombuffer(half, "<f2") == pytest.approx(row, abs=1e-3)
        assert len(primed) == 2


async def test_what_a_writer_without_the_encoder_describes_is_lacking_until_it_is_filled(place: Place) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with opened(place, OLD) as early, opened(place, OLD, NEW) as store:
        await put(store, OLD, items, NEW)
        await fill(store, *spaces(store, NEW))
        items[3], items[4] = thing(3, " anew"), thing(4, " gone")
        await put(early, OLD, [items[3]])
        await early.items.remove_items([(next(OFFSETS), "i4")])
        del items[4]
        with pytest.raises(Unavailable, match="not every item"):
            async with opened(place, NEW, create=False):
                pass
        lacking, _ = await store.items.lacking(NEW.name, None)
        assert [one.item for one in lacking] == [items[3]]
        await fill(store, *spaces(store, NEW))
        async with opened(place, NEW, create=False) as server:
            await assert_answers_by(server, NEW, items)


@pytest.mark.parametrize("dies", [True, False], ids=["and dies", "while others fill"])
async def test_a_writer_without_the_encoder_is_found_out_though_it_is_slow(place: Place, *, dies: bool) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with opened(place, OLD) as early:
        await put(early, OLD, items)
        items[3] = thing(3, " anew")
        row = (next(OFFSETS), items[3], (await OLD.encode([items[3].words]))[0])

        async def filled() -> None:
            # The writer asked which spaces there are before there was this one.
            async with opened(place, OLD, NEW) as store:
                await fill(store, *spaces(store, NEW))

        slow = Slow(early.generations.collection("items", None), filled, dies=dies)
        writer = QdrantItems(cast("Any", slow), SETTINGS, place.settings(), early.spaces, OLD.name)
        with pytest.raises(KeyboardInterrupt) if dies else nullcontext():
            await writer.put_items([row])
    async with opened(place, OLD, NEW) as store:
        if dies:
            # What was not committed is delivered again.
            await store.items.put_items([row], await encoded(spaces(store, NEW), [items[3].words]))
        else:
            assert not (await store.spaces.there())[NEW.name].whole
        await fill(store, *spaces(store, NEW))
        async with opened(place, NEW, create=False) as server:
            await assert_answers_by(server, NEW, items)


async def test_an_encoder_that_fails_beside_holds_nobody_up_and_is_made_good(place: Place) -> None:
    new = Hashed(NEW.name, NEW.dim)
    async with opened(place, OLD, new) as store:
        new.failing = True
        (beside,) = spaces(store, new)
        beside.peopled = True
        items = [thing(n) for n in range(COUNT)]
        words = [item.words for item in items]
        assert await encoded([beside], words) == {}
        assert beside.behind.is_set()
        assert await read_beside([beside], {"u1": liked(1).ledger}) == {"u1": {}}
        await put(store, OLD, items)
        filling = asyncio.create_task(Filling(store, beside).run())
        await asyncio.sleep(0)
        new.failing = False
        await fill(store, beside)
        filling.cancel()
        async with opened(place, NEW, create=False) as server:
            await assert_answers_by(server, NEW, items)


async def test_a_user_who_is_further_by_now_is_not_filled(place: Place) -> None:
    async with opened(place, OLD, NEW) as store:
        await put(store, OLD, [thing(n) for n in range(9)], NEW)
        (new,) = spaces(store, NEW)
        await store.users.write({f"u{n}": Written(liked(n), (await OLD.encode(["x"]))[0], {}) for n in (1, 2)})
        states, following = await store.users.lacking(NEW.name, OLD.name, None)
        assert states == {"u1": liked(1), "u2": liked(2)}
        assert following is None
        wholes = await new.reader.wholes({user: state.ledger for user, state in states.items()})
        further = UserState(liked(1).ledger, 11)
        await store.users.write({"u1": Written(further, (await OLD.encode(["y"]))[0], {})})
        await store.users.fill(NEW.name, {user: (states[user], wholes[user]) for user in states})
        assert (await interests(store, NEW)).keys() == {"u2"}
        assert (await store.users.states(["u1"]))["u1"] == further


async def test_a_model_is_deleted_when_no_consumer_writes_it_any_more_the_first_one_too(place: Place) -> None:
    items = [thing(n) for n in range(COUNT)]
    async with opened(place, OLD, NEW) as store:
        await put(store, OLD, items, NEW)
        await fill(store, *spaces(store, NEW))
        with pytest.raises(InvalidField, match="consumers write vectors of old@1"):
            await store.spaces.remove(OLD.name)
        with pytest.raises(InvalidField, match="there are: old@1, new@1"):
            await store.spaces.remove("nobody")
    with pytest.raises(StoreMismatch, match="let consumers fill the new one first: encoders_beside"):
        async with opened(place, Hashed("third@1", 8)):
            pass
    async with opened(place, NEW) as store:
        await put(store, NEW, [thing(COUNT)])
        with pytest.raises(Unavailable, match="not every item has its vector of old@1"):
            async with opened(place, OLD, create=False):
                pass
        await store.spaces.remove(OLD.name)
        assert list(await store.spaces.there()) == [NEW.name]
    async with opened(place, None, create=False) as server:
        assert (server.model, server.dim) == (NEW.name, NEW.dim)
        await assert_answers_by(server, NEW, [*items, thing(COUNT)])
    async with opened(place, NEW, OLD) as store:
        await fill(store, *spaces(store, OLD))
        async with opened(place, OLD, create=False) as server:
            await assert_answers_by(server, OLD, [*items, thing(COUNT)])


async def test_who_began_to_fill_last_says_that_a_space_is_whole(place: Place) -> None:
    async with opened(place, OLD, NEW) as store, opened(place, OLD) as early:
        first = await store.spaces.begin(NEW.name)
        await put(early, OLD, [thing(1)])
        last = await store.spaces.begin(NEW.name)
        await store.spaces.end(NEW.name, first)
        assert not (await store.spaces.there())[NEW.name].whole
        await store.spaces.end(NEW.name, last)
        assert (await store.spaces.there())[NEW.name].whole
