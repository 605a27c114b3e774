"""The demonstration's play: what moved, what was timed, what was said, and when it is not right."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import penchant
import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant.v1 import catalog_pb2 as catalog
from penchant.v1.event_pb2 import Event as EventMessage
from penchant_cli.demo import play as playing
from penchant_cli.demo.panels import Ranking, Tail, bar
from penchant_cli.demo.phrases import Phrases, shares
from penchant_cli.demo.play import NoPush, Scene, as_event, cast, movements, opened, percentile
from penchant_cli.demo.summary import FOUNDING, promises, told
from rich.console import Console, Group
from rich.text import Text

from tests.unit.fake_service import FakeService, fake_service

PHRASES = Phrases({"tent": "Two-person tent"})
ids = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=8)


def reason(contribution: float, kind: penchant.ReasonKind = penchant.ReasonKind.CONTENT) -> penchant.Reason:
    return penchant.Reason(kind, contribution, "e1", "search", "", "tents")


def listed(item_id: str, *contributions: float) -> penchant.Recommendation:
    item = penchant.Item(item_id, f"title of {item_id}", categories=("Camping",))
    return penchant.Recommendation(item_id, sum(contributions), 0, item, tuple(map(reason, contributions)))


def scene(user: str = "mei", *items: str, text: str = "水果", seconds: float | None = 0.004) -> Scene:
    event = penchant.Event(user, "review", text=text)
    listing = tuple(listed(item_id, 0.3, 0.1) for item_id in items or FOUNDING)
    return Scene(event, listing, (None,) * len(listing), (), seconds, agreed=True, note="Look.")


def broken(*scenes: Scene) -> list[str]:
    return [promise.text for promise in promises(scenes, repeat_changed_nothing=True) if not promise.kept]


def whole_story() -> list[Scene]:
    spoken = scene(text="fruit")
    items = (*spoken.listing[:1], replace(spoken.listing[1], item=penchant.Item("x", "苹果")))
    return [scene(), replace(spoken, listing=items)]


def test_items_rise_fall_stay_and_arrive() -> None:
    assert movements(["a", "b", "c", "d"], ["c", "b", "a", "e"]) == (2, 0, -2, None)


@given(ids, ids)
def test_going_back_by_its_movement_finds_every_item_where_it_was(before: list[str], after: list[str]) -> None:
    for place, (item_id, moved) in enumerate(zip(after, movements(before, after), strict=True)):
        assert (moved is None) == (item_id not in before)
        assert moved is None or before[place + moved] == item_id


def test_percentiles_are_values_that_occurred() -> None:
    times = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(times, share) for share in (0.01, 0.5, 0.8, 0.99, 1.0)] == [1.0, 3.0, 4.0, 5.0, 5.0]
    assert percentile([7.0], 0.5) == 7.0


@given(st.lists(st.floats(-1, 1).filter(lambda value: abs(value) > 1e-6), min_size=1, max_size=5))
def test_shares_keep_their_sign_and_their_sizes_add_up_to_one(contributions: list[float]) -> None:
    found = [share for share, _ in shares(listed("a", *contributions))]
    assert sum(map(abs, found)) == pytest.approx(1.0)
    assert [share > 0 for share in found] == [value > 0 for value in contributions]


def test_deeds_are_told_in_words() -> None:
    assert PHRASES.deed("review", "", "我喜欢吃苹果") == "says “我喜欢吃苹果”"
    assert PHRASES.deed("search", "", "tents") == "searches “tents”"
    assert PHRASES.deed("rate", "tent", "", 2.0) == "rates Two-person tent ★★☆☆☆"
    assert PHRASES.deed("review", "tent", "dry") == "reviews Two-person tent “dry”"
    assert PHRASES.deed("wishlist", "unheard-of", "") == "wishlist unheard-of"


def test_an_event_of_the_story_gets_a_shopper_and_an_id_and_a_value_only_where_it_has_one() -> None:
    first = as_event(EventMessage(user_id="mei", type="rate", item_id="tent", value=0.0), "mei-2")
    second = as_event(EventMessage(user_id="mei", type="view", item_id="tent"), "mei-2")
    assert (first.user_id, first.type, first.item_id, first.value) == ("mei-2", "rate", "tent", 0.0)
    assert second.value is None
    assert first.event_id
    assert first.event_id != second.event_id


def test_a_story_that_went_well_keeps_every_promise() -> None:
    assert broken(*whole_story()) == []


def test_each_promise_is_broken_by_what_contradicts_it() -> None:
    first, second = whole_story()
    swapped = replace(second, listing=second.listing[::-1])
    late = replace(second, seconds=6.0)
    other = replace(second, agreed=False)
    wrong_sum = replace(second, listing=(replace(second.listing[0], score=9.0), second.listing[1]))
    seen = replace(second, event=replace(second.event, item_id=FOUNDING[0]))
    one_tongue = replace(second, listing=first.listing)
    for contradiction, word in [
        (swapped, "sayings about fruit"),
        (late, "p99 6000.0 ms"),
        (other, "1 of 2 lists were the same"),
        (wrong_sum, "3 of 4 listed items add up"),
        (seen, "1 of 4 listed items were ones"),
        (one_tongue, "0 of 2 searches"),
    ]:
        (text,) = broken(first, contradiction)
        assert word in text
    silent = [replace(one, seconds=None) for one in (first, second)]
    assert broken(*silent) == ["no event moved its shopper's list"]
    repeated = promises([first, second], repeat_changed_nothing=False)
    assert [promise.text for promise in repeated if not promise.kept] == ["an event that was sent twice counted once"]


def test_the_summary_begins_with_the_founding_example_and_tells_of_everybody() -> None:
    lines = list(told([scene(), scene(), scene("tom", "a", "b", "c", "d"), scene("mei", "e")], PHRASES))
    assert lines[:3] == ["mei says “水果”", "mei says “水果”", f"  1. title of {FOUNDING[0]}"]
    assert lines[3] == "     +75% close in meaning: searches “tents”"
    assert lines[-5:-3] == ["tom says “水果”", "  → title of a · title of b · title of c"]
    assert lines[-2:] == ["mei, later, says “水果”", "  → title of e"]


def drawn(content: object, width: int, height: int) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=False)
    options = console.options.update(height=height)
    return ["".join(part.text for part in line).rstrip() for line in console.render_lines(content, options, pad=False)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "lines_per_item"), [(3, 1), (5, 2), (8, 3), (20, 3)])
def test_the_list_uses_the_room_it_has(height: int, lines_per_item: int) -> None:
    ranking = Ranking([listed(name, 1.0) for name in "abc"], [None, 2, -1], interests=1)
    lines = drawn(ranking, 60, height)
    places = [number for number, line in enumerate(lines) if line.startswith(("1 ", "2 ", "3 "))]
    assert places == [0, lines_per_item, 2 * lines_per_item]
    assert [lines[place].split()[1] for place in places] == ["new", "▲2", "▼1"]


def test_a_tail_shows_the_newest_lines() -> None:
    lines = drawn(Tail(Group(*(Text(str(number)) for number in range(9)))), 20, 3)
    assert [line for line in lines if line] == ["6", "7", "8"]


def test_a_bar_shows_size_and_leaves_the_rest_of_its_rail() -> None:
    assert bar(0.5, "cyan").plain == "━━━━━─────"
    assert bar(-1.0, "red").plain == "━" * 10
    assert bar(0.001, "cyan").plain.count("━") == 1
    assert bar(0.0, "cyan").plain == "─" * 10


async def started(service: FakeService) -> None:
    for item_id in "abc":
        service.knowledge.items[item_id] = catalog.Item(item_id=item_id, title=item_id)
    service.knowledge.order = ("a", "b")


async def test_a_list_that_changes_without_a_push_is_an_error_that_says_whose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "PATIENCE", 0.1)
    async with fake_service() as service, penchant.aio.Client(service.target) as client:
        await started(service)
        async with opened(client, ["mei"]) as play:
            service.knowledge.order = ("b", "a")
            with pytest.raises(NoPush, match=r"mei's list changed by search tents, but no push came within 0\.1 s"):
                await play.perform(penchant.Event("mei", "search", text="tents", event_id="e1"))


async def test_a_list_that_stays_as_it_was_needs_no_push_and_has_no_time() -> None:
    async with fake_service() as service, penchant.aio.Client(service.target) as client:
        await started(service)
        async with opened(client, ["mei"]) as play:
            before = datetime.now(UTC)
            done = await play.perform(penchant.Event("mei", "search", text="tents", event_id="e1"), "Look.")
            assert (done.seconds, done.movements, done.agreed, done.note) == (None, (0, 0), True, "Look.")
            assert done.event.occurred_at is not None
            assert before <= done.event.occurred_at <= datetime.now(UTC)


async def test_what_others_cause_is_overheard_with_how_it_moved() -> None:
    async with fake_service() as service, penchant.aio.Client(service.target) as client:
        await started(service)
        async with opened(client, ["mei", "you"]) as play:
            service.knowledge.push("c", "a")
            heard = [await play.overheard(), await play.overheard()]
            assert {one.event.user_id for one in heard} == {"mei", "you"}
            assert [one.movements for one in heard] == [(None, -1)] * 2
            service.knowledge.push("a", "c")
            assert (await play.overheard()).movements == (1, -1)


async def test_a_service_that_goes_away_ends_the_play_with_its_error() -> None:
    async with fake_service() as service, penchant.aio.Client(service.target, retries=0, timeout=1.0) as client:
        service.knowledge.tokens = False
        await started(service)
        async with opened(client, ["mei"]) as play:
            await service.stop()
            with pytest.raises(penchant.Unavailable):
                async with asyncio.timeout(10):
                    await play.overheard()


async def test_shoppers_that_the_service_knows_get_another_id() -> None:
    async with fake_service() as service, penchant.aio.Client(service.target) as client:
        await started(service)
        assert await cast(client, ["mei", "you"]) == {"mei": "mei", "you": "you"}
        await client.record("you", "search", text="tents")
        assert await cast(client, ["mei", "you"]) == {"mei": "mei-2", "you": "you-2"}
