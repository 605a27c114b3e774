"""A log puts in order what it is given, and says by name and number why quality cannot be measured on it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from penchant_core.covisitation import LANDMARK
from penchant_core.errors import InvalidSetting
from penchant_core.model import Event, Item
from penchant_core.tuning import Weights
from penchant_relevance.log import LEAST_EVENTS, LEAST_ITEMS, LEAST_USERS, Log, check, lately, log_of, moments

from tests.unit.relevance_logs import did, random_purchases, said, shop


def named(name: str, user: int, item: int, time: int) -> Event:
    return replace(did(user, item, time), event_id=name)


def test_events_come_in_any_order_but_for_those_of_one_moment() -> None:
    log = log_of("late", shop(4), [did(0, 3, 30), did(1, 2, 10), did(0, 1, 20), did(0, 0, 10), did(0, 2, 10)])
    assert log.time.tolist() == [10, 10, 10, 20, 30]
    assert log.item.tolist() == [2, 0, 2, 1, 3]
    assert [event.user_id for event in log.events] == ["u01", "u00", "u00", "u00", "u00"]
    assert [log.item[steps].tolist() for steps in log.sequences] == [[0, 2, 1, 3], [2]]
    ids = [event.event_id for event in log.events]
    assert ids == sorted(set(ids)), "ids settle the order of one moment"


def test_of_events_with_one_id_of_a_user_the_first_counts() -> None:
    events = [named("a", 0, 0, 5), named("a", 0, 1, 1), named("a", 1, 2, 3), did(0, 3, 4), did(0, 3, 4)]
    log = log_of("twice", shop(4), events)
    assert log.item.tolist() == [2, 3, 3, 0], "another user's id is another event, and no id is no name"


def test_events_on_unknown_items_are_left_out_and_words_without_an_item_stay() -> None:
    log = log_of("unknown", shop(2), [did(0, 0, 1), did(0, 2, 2), said(0, "tea", 3), did(0, 1, 4), said(1, "tea", 5)])
    assert log.item.tolist() == [0, -1, 1, -1]
    assert log.texts == ("tea",)
    assert len(log) == 4


def test_an_event_on_an_unknown_item_does_not_take_the_place_of_its_namesake() -> None:
    log = log_of("unknown", shop(2), [named("a", 0, 9, 1), named("a", 0, 1, 2)])
    assert log.item.tolist() == [1]


def test_of_items_with_one_id_the_last_counts() -> None:
    log = log_of(
        "renamed", [Item("i0", title="old"), Item("i1", title="other"), Item("i0", title="new")], [did(0, 0, 1)]
    )
    assert {item.item_id: item.title for item in log.items} == {"i0": "new", "i1": "other"}
    assert log.items[log.item[0]].title == "new"


def test_baskets_follow_their_events() -> None:
    events = [did(0, 0, 9), did(0, 1, 1), did(0, 5, 1), did(1, 2, 5), named("a", 1, 3, 4), named("a", 1, 3, 2)]
    log = log_of("orders", shop(4), events, np.array([70, 71, 72, 73, 74, 75]))
    assert log.baskets is not None
    assert list(zip(log.item.tolist(), log.baskets.tolist(), strict=True)) == [(1, 71), (3, 74), (2, 73), (0, 70)]


def test_the_lines_of_an_order_stand_together_whoever_else_orders_at_that_moment() -> None:
    events = [did(0, 0, 5), did(1, 1, 5), did(0, 2, 5), did(2, 3, 4), did(1, 0, 5), did(0, 3, 6)]
    log = log_of("orders", shop(4), events, moments(events))
    assert log.baskets is not None
    assert list(zip(log.user.tolist(), log.item.tolist(), strict=True)) == [
        (2, 3),
        (0, 0),
        (0, 2),
        (1, 1),
        (1, 0),
        (0, 3),
    ]
    assert len(np.unique(log.baskets)) == 4
    assert np.count_nonzero(np.diff(log.baskets)) == 3


def test_a_moment_is_a_users_own() -> None:
    events = [did(0, 0, 5), did(1, 0, 5), did(0, 1, 5), did(0, 2, 6)]
    assert moments(events).tolist() == [0, 1, 0, 2]


def lives(events: int = LEAST_EVENTS, users: int = LEAST_USERS, items: int = LEAST_ITEMS) -> Log:
    """Return a log of so many purchases, users and items, in which no two users did the same."""
    told = [did(n % users, (n // users + n % users) % items, n) for n in range(events)]
    return log_of("lives", shop(items), told)


def refusal(log: Log) -> str:
    with pytest.raises(InvalidSetting) as refused:
        check(log, Weights())
    return str(refused.value)


def test_the_smallest_log_of_which_something_can_be_said_is_taken() -> None:
    check(lives(), Weights())
    check(random_purchases(), Weights())


@pytest.mark.parametrize(
    ("log", "number", "what"),
    [
        (lambda: lives(events=LEAST_EVENTS - 1), LEAST_EVENTS - 1, "events"),
        (lambda: lives(users=LEAST_USERS - 1), LEAST_USERS - 1, "users"),
        (lambda: lives(items=LEAST_ITEMS - 1), LEAST_ITEMS - 1, "items"),
        (lambda: log_of("nothing", shop(9), []), 0, "events"),
    ],
)
def test_too_small_a_log_is_refused_with_what_it_has_and_what_it_needs(
    log: Callable[[], Log], number: int, what: str
) -> None:
    least = {"events": LEAST_EVENTS, "users": LEAST_USERS, "items": LEAST_ITEMS}[what]
    assert (
        refusal(log()) == f"events: the log has {number} {what}; nothing can be said of quality with fewer than {least}"
    )


def test_words_do_not_stand_in_for_events_on_items() -> None:
    few = lives(events=LEAST_EVENTS - 1)
    log = log_of("wordy", few.items, [*few.events, *(said(user, "tea", 999) for user in range(40))])
    assert f"{LEAST_EVENTS - 1} events" in refusal(log)


@pytest.mark.parametrize("spoken", [[], [said(0, "tea", 0)]])
def test_a_log_in_which_nobody_approves_of_an_item_is_refused(spoken: list[Event]) -> None:
    hidden = [replace(event, event_id="", type="hide") for event in lives().events]
    found = refusal(log_of("grim", shop(LEAST_ITEMS), [*hidden, *spoken]))
    assert found.startswith("weights: no event approves of an item (types: hide")
    assert "give approving types a weight above 0" in found


def test_items_without_words_are_refused() -> None:
    bare = [Item(item.item_id) for item in lives().items]
    assert refusal(log_of("mute", bare, lives().events)) == "items: no item has a title, a description or categories"
    one_word = [*bare[:-1], Item(bare[-1].item_id, categories=("tea",))]
    check(log_of("terse", one_word, lives().events), Weights())


def test_users_who_are_all_alike_are_refused() -> None:
    alike = [did(user, step, 100 * step + user) for user in range(10) for step in range(6)]
    assert "all users did the same" in refusal(log_of("march", shop(6), alike))
    check(log_of("but one", shop(6), [*alike, did(3, 0, 999)]), Weights())


def test_an_old_log_ends_at_the_landmark_when_counts_are_to_age() -> None:
    log = random_purchases()
    moved = lately(log)
    assert moved.time[-1] == LANDMARK
    assert np.array_equal(np.diff(moved.time), np.diff(log.time))
    assert moved.items is log.items
    assert [e.item_id for e in moved.events] == [e.item_id for e in log.events]
