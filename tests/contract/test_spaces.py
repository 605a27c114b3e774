"""Two encoders in one embedded store: both are written, each is read alone, and what one lacks is found and filled."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from penchant_adapters.copying import copy
from penchant_adapters.copying.places import OnEdge
from penchant_adapters.edge import EdgeStore, open_edge
from penchant_adapters.edge.store import made_with
from penchant_adapters.settings import Settings
from penchant_adapters.spaces import SPACES, Registered, Registry, read_registry, write_registry
from penchant_core.errors import EncoderFailed, InvalidSetting, PenchantError, StoreMismatch
from penchant_core.model import Event, Filter, Item
from penchant_core.pipeline import Learner, Library, Recommender, Wish
from penchant_core.ports import Query
from penchant_core.spaces import Space, Spaces, Standing
from penchant_core.trained import Trained
from penchant_core.tuning import Covisitation, Tuning
from penchant_core.vectors import Matrix

from tests.sequence_models import model

SETTINGS = Covisitation()
COUNT = 100


class Hashed:
    """An encoder that puts every text somewhere else; fails when it is told to."""

    def __init__(self, name: str, dim: int) -> None:
        self.name, self.dim = name, dim
        self.failing = False

    async def encode(self, texts: Sequence[Any], **_: bool) -> Matrix:
        if self.failing:
            raise EncoderFailed("told to")
        seeds = [int.from_bytes(blake2b(f"{self.name}{t}".encode(), digest_size=4).digest()) for t in texts]
        rows = np.array([np.random.default_rng(s).normal(size=self.dim) for s in seeds], np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32).reshape(-1, self.dim)


OLD, NEW = Hashed("old@1", 8), Hashed("new@1", 12)
BOTH = Registry(OLD.name, (Registered(OLD.name, "old:", 8, whole=True), Registered(NEW.name, "new:", 12)))


def opened(path: Path, encoder: Hashed = OLD) -> AbstractContextManager[EdgeStore]:
    return open_edge(path, encoder.name, encoder.dim, SETTINGS, 0)


def space(store: EdgeStore, encoder: Hashed) -> Space:
    shelves = store.items.shelves(encoder.name)
    return Space(encoder, shelves, shelves)


def learner(store: EdgeStore, *others: Hashed, active: Hashed = OLD) -> tuple[Learner, Spaces]:
    beside = tuple(space(store, one) for one in others)
    spaces = Spaces(Standing(space(store, active), beside, beside))
    return Learner(store.stores, spaces, Tuning(covisitation=SETTINGS), lambda: 0), spaces


def things(first: int, last: int, mark: str = "") -> list[Item]:
    return [Item(f"i{n}", f"thing {n}{mark}") for n in range(first, last)]


def liked(number: int, item: int, text: str = "") -> Event:
    return Event(f"e{number}", f"u{number % 10}", "like", 1_780_000_000_000 + number, f"i{item}", text)


async def vectors(store: EdgeStore, encoder: Hashed, count: int = COUNT) -> dict[str, Matrix]:
    known = await store.items.shelves(encoder.name).known([f"i{n}" for n in range(count)])
    return {item_id: one.vector for item_id, one in known.items()}


async def assert_in(store: EdgeStore, encoder: Hashed, items: Sequence[Item]) -> None:
    found = await vectors(store, encoder)
    assert found.keys() == {item.item_id for item in items}
    for item, wanted in zip(items, await encoder.encode([item.words for item in items]), strict=True):
        assert found[item.item_id] == pytest.approx(wanted, abs=1e-6), item


async def filled(store: EdgeStore, encoder: Hashed) -> int:
    items, following = await store.items.lacking(encoder.name, COUNT * 2)
    assert following is None
    rows = await encoder.encode([item.words for item in items])
    return await store.items.fill(encoder.name, list(zip(items, rows, strict=True)))


async def test_a_space_lacks_what_was_there_before_gets_what_comes_and_keeps_all_over_a_restart(tmp_path: Path) -> None:
    items = things(0, 40)
    with opened(tmp_path) as store:
        alone, _ = learner(store)
        await alone.learn_items(items)
        store.see(BOTH.spaces[1])
        write_registry(tmp_path, BOTH)
        assert await store.items.count_lacking(NEW.name) == 40
        assert await vectors(store, NEW) == {}
        both, _ = learner(store, NEW)
        items += things(40, 60)
        items[3:5] = things(3, 5, " anew")
        await both.learn_items([*items[3:5], *items[40:]])
        assert await store.items.count_lacking(NEW.name) == 38
        assert await filled(store, NEW) == 38
        assert await both.forget_items(["i7"]) == ["i7"]
        del items[7]
        for encoder in (OLD, NEW):
            await assert_in(store, encoder, items)
    for encoder in (OLD, NEW):
        with opened(tmp_path, encoder) as store:
            assert await store.items.count_lacking(NEW.name) == 0
            for one in (OLD, NEW):
                await assert_in(store, one, items)
            assert [known.item for known in (await store.items.known(["i3"])).values()] == [items[3]]


async def test_pictures_are_kept_for_encoders_and_for_copies_and_shown_to_nobody(tmp_path: Path) -> None:
    pictured = [replace(item, images=(b"one", b"two")) for item in things(0, 3)]
    (tmp_path / "here").mkdir()
    with opened(tmp_path / "here") as store:
        alone, _ = learner(store)
        await alone.learn_items([*pictured, *things(3, 5)])
        await alone.learn_items([*things(2, 3), replace(things(3, 4)[0], images=(b"three",))])
        store.see(BOTH.spaces[1])
        lacking, _ = await store.items.lacking(NEW.name, COUNT)
        assert sorted((item.item_id, item.images) for item in lacking) == [
            ("i0", (b"one", b"two")),
            ("i1", (b"one", b"two")),
            ("i2", ()),
            ("i3", (b"three",)),
            ("i4", ()),
        ]
        assert await store.items.fill(NEW.name, [(item, np.ones(12, np.float32)) for item in lacking]) == 5
        known = await store.items.known([f"i{n}" for n in range(5)])
        page, _ = await store.items.page("", 10)
        assert {one.images for one in (*page, *(known.item for known in known.values()))} == {()}
    await copy(OnEdge(tmp_path / "here"), OnEdge(tmp_path / "there"), Settings(min_free_bytes=0), lambda *_: None)
    with opened(tmp_path / "there") as store:
        store.see(BOTH.spaces[1])
        copies, _ = await store.items.lacking(NEW.name, COUNT)
        assert {item.item_id: item.images for item in copies} == {item.item_id: item.images for item in lacking}


async def test_who_writes_without_a_space_leaves_none_of_its_vectors_behind(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.see(BOTH.spaces[1])
        both, _ = learner(store, NEW)
        await both.learn_items(things(0, 10))
        await both.learn([liked(n, n) for n in range(10)])
        alone, _ = learner(store)
        await alone.learn_items(things(3, 6, " anew"))
        await alone.learn([liked(14, 9)])
        assert {item.item_id for item in (await store.items.lacking(NEW.name, 9))[0]} == {"i3", "i4", "i5"}
        assert (await vectors(store, NEW)).keys() == {f"i{n}" for n in (0, 1, 2, 6, 7, 8, 9)}
        assert await store.users.lacking(NEW.name, OLD.name, 9) == (["u4"], None)


async def test_filling_writes_nothing_over_what_came_meanwhile(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        alone, _ = learner(store)
        await alone.learn_items(things(0, 10))
        await alone.learn([liked(n, n) for n in range(10)])
        store.see(BOTH.spaces[1])
        both, _ = learner(store, NEW)
        lacking, _ = await store.items.lacking(NEW.name, COUNT)
        rows = list(zip(lacking, await NEW.encode([item.words for item in lacking]), strict=True))
        await both.learn_items(things(2, 3, " anew"))
        await alone.learn_items(things(5, 6, " anew"))
        await alone.forget_items(["i8"])
        assert await store.items.fill(NEW.name, rows) == 7
        assert [item.title for item in (await store.items.lacking(NEW.name, COUNT))[0]] == ["thing 5 anew"]
        users, _ = await store.users.lacking(NEW.name, OLD.name, COUNT)
        ledgers = await store.users.ledgers(users)
        made = await both.whole_interests(ledgers, space(store, NEW))
        await alone.learn([liked(14, 9)])
        assert set(users) - made.keys() == {"u5", "u8"}, "what they like is not there"
        assert await store.users.fill(NEW.name, ledgers, made) == 7
        assert set((await store.users.lacking(NEW.name, OLD.name, COUNT))[0]) == {"u4", "u5", "u8"}


async def test_lists_of_each_space_are_made_of_its_vectors_alone(tmp_path: Path) -> None:
    items = things(0, COUNT)
    with opened(tmp_path) as store:
        store.see(BOTH.spaces[1])
        both, _ = learner(store, NEW)
        await both.learn_items(items)
        for encoder in (OLD, NEW, OLD):
            one = space(store, encoder)
            of_space = Recommender(Library(store.users, one.catalogue, one.retriever), encoder, Tuning(), lambda: 0)
            rows = await encoder.encode([item.words for item in items])
            said = (await encoder.encode(["something"]))[0]
            cosines = dict(zip((item.item_id for item in items), (rows @ said).tolist(), strict=True))
            found = await of_space.search("something", Wish(size=10))
            assert [one.known.item.item_id for one in found] == sorted(cosines, key=lambda i: -cosines[i])[:10]
            assert [one.score for one in found] == pytest.approx(
                [cosines[one.known.item.item_id] for one in found], abs=1e-5
            )


async def test_the_space_that_made_the_store_can_go_and_come_back_empty(tmp_path: Path) -> None:
    items = things(0, 20)
    with opened(tmp_path) as store:
        store.see(BOTH.spaces[1])
        both, _ = learner(store, NEW)
        await both.learn_items(items)
        await both.learn([liked(n, n) for n in range(10)])
        store.turn(NEW.name)
        store.unsee(OLD.name)
        registry = Registry(NEW.name, (BOTH.spaces[1],))
        write_registry(tmp_path, registry)
        with pytest.raises(PenchantError, match="no space of the encoder 'old@1'"):
            store.items.shelves(OLD.name)
    with pytest.raises(StoreMismatch, match="has no space of 'old@1'"), opened(tmp_path):
        pass
    made = made_with(tmp_path)
    assert made is not None
    assert (made.model, made.dim) == (NEW.name, NEW.dim)
    with opened(tmp_path, NEW) as store:
        await assert_in(store, NEW, items)
        alone, _ = learner(store, active=NEW)
        await alone.learn_items(things(20, 21))
        store.see(BOTH.spaces[0])
        assert await store.items.count_lacking(OLD.name) == 21
        assert await filled(store, OLD) == 21
        await assert_in(store, OLD, items + things(20, 21))


async def test_what_a_crash_left_of_a_space_is_deleted_at_the_next_start(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.see(BOTH.spaces[1])
        both, _ = learner(store, NEW)
        await both.learn_items(things(0, 5))
        write_registry(tmp_path, BOTH.without(NEW.name))
    with opened(tmp_path) as store:
        registry = read_registry(tmp_path)
        assert registry is not None
        assert not registry.leaving
        await assert_in(store, OLD, things(0, 5))
        store.see(BOTH.spaces[1])
        assert await vectors(store, NEW) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"layout": 2}', "newer version"),
        (b'{"layout": 1, "active": "a", "before": "", "spaces": [], "leaving": []}', "has no space of 'a'"),
    ],
)
def test_a_damaged_registry_stops_the_start_by_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    with opened(tmp_path):
        pass
    (tmp_path / SPACES).write_bytes(content)
    with pytest.raises(StoreMismatch, match=said) as found, opened(tmp_path):
        pass
    assert str(tmp_path / SPACES) in str(found.value)


async def test_an_encoder_that_fails_beside_the_one_that_answers_costs_no_event_and_is_made_good(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as store:
        frail = Hashed("frail@1", 4)
        store.see(Registered(frail.name, "", 4))
        both, spaces = learner(store, frail)
        await both.learn_items(things(0, 5))
        frail.failing = True
        await both.learn_items(things(2, 6, " anew"))
        assert spaces.behind == {frail.name}
        assert spaces.now.peopled == ()
        (told,) = await both.learn([liked(1, 2, "said")])
        assert told.error is None
        assert {item.item_id for item in (await store.items.lacking(frail.name, 9))[0]} == {"i2", "i3", "i4", "i5"}
        assert await store.users.lacking(frail.name, OLD.name, 9) == (["u1"], None)
        frail.failing = False
        OLD.failing = True
        try:
            with pytest.raises(EncoderFailed):
                await both.learn_items(things(0, 1, " anew"))
        finally:
            OLD.failing = False


async def test_who_holds_a_standing_has_it_to_the_end_and_is_waited_for() -> None:
    first = Standing(Space(OLD, None, None))  # type: ignore[arg-type]  # nothing is read
    second = Standing(Space(NEW, None, None))  # type: ignore[arg-type]
    spaces = Spaces(first)
    await spaces.taken_over()
    with spaces.held() as held:
        spaces.switch(second)
        waiting = asyncio.create_task(spaces.taken_over())
        with spaces.held() as later:
            assert (held, later) == (first, second)
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def test_counts_are_the_same_in_every_space(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.see(BOTH.spaces[1])
        both, _ = learner(store, NEW)
        await both.learn_items(things(0, 5))
        for number in range(4):
            await both.learn([liked(number * 10, 1), liked(number * 10 + 1, 2), liked(number * 10 + 20, 2)])
            shown = [await store.items.shelves(one.name).known(["i1", "i2"]) for one in (OLD, NEW)]
            for item_id in ("i1", "i2"):
                counts = [one[item_id].counts for one in shown]
                assert 0.0 < counts[0].visits == counts[1].visits
                assert counts[0].values.tolist() == counts[1].values.tolist()
        query = Query(None, (), {"i1": 1.0}, 0.0, Filter(), 10)
        found = [await store.items.shelves(one.name).candidates(query) for one in (OLD, NEW)]
        assert found[0] == found[1] != []


async def test_a_sequence_model_reads_the_space_of_its_encoder_and_is_silent_in_the_other(tmp_path: Path) -> None:
    made = model(encoder=NEW.name, dim=NEW.dim)
    items = things(0, 20)
    with opened(tmp_path) as store:
        alone, _ = learner(store)
        await alone.learn_items(items)
        store.see(BOTH.spaces[1])
        write_registry(tmp_path, BOTH)
        half = items[:10]
        rows = await NEW.encode([item.words for item in half])
        assert await store.items.fill(NEW.name, list(zip(half, rows, strict=True))) == 10
    with open_edge(tmp_path, OLD.name, OLD.dim, SETTINGS, 0, trained=Trained(made)) as store:
        both, _ = learner(store, NEW)
        await both.learn_items([*things(3, 4, " anew"), *things(20, 21)])
        assert await filled(store, NEW) == 10
        items = [*items[:3], *things(3, 4, " anew"), *items[4:], *things(20, 21)]
        ids = [item.item_id for item in items]
        wanted = made.embed(ids, await NEW.encode([item.words for item in items]))
        known = await store.items.shelves(NEW.name).known(ids)
        for item_id, embedding in zip(ids, wanted, strict=True):
            assert known[item_id].learned == pytest.approx(embedding, abs=1e-6), item_id
        assert {one.learned for one in (await store.items.known(ids)).values()} == {None}
        store.unsee(NEW.name)
        assert await both.forget_items(["i0"]) == ["i0"]
    write_registry(tmp_path, BOTH.without(NEW.name))
    bound = open_edge(tmp_path, OLD.name, OLD.dim, SETTINGS, 0, trained=Trained(made))
    with pytest.raises(InvalidSetting, match="learnt with the encoder new@1"), bound:
        pass


async def test_a_copy_has_the_space_that_answers_and_no_other(tmp_path: Path) -> None:
    items = things(0, 30)
    source, target = tmp_path / "source", tmp_path / "target"
    with opened(source) as store:
        store.see(BOTH.spaces[1])
        both, _ = learner(store, NEW)
        await both.learn_items(items)
        await both.learn([liked(n, n) for n in range(10)])
        write_registry(source, replace(BOTH, active=NEW.name, before=OLD.name))
    settings = Settings(min_free_bytes=0)
    for replacing in (False, True):
        copied = await copy(OnEdge(source), OnEdge(target), settings, lambda *_: None, replacing=replacing)
        assert (copied.model, copied.items, copied.users) == (NEW.name, 30, 10)
        assert not (target / SPACES).exists()
        with opened(target, NEW) as store:
            await assert_in(store, NEW, items)
            assert await store.users.count_lacking(NEW.name, "") == 0
            store.see(BOTH.spaces[0])
        # What the next copy replaces has two.
        write_registry(target, replace(BOTH, active=NEW.name))
