"""Nobody is asked about what was already told, and what is told is told in order, once."""

from typing import Any

import numpy as np
import pytest
from penchant_core.ledger import CAPACITY, WINDOW
from penchant_core.tuning import Weights
from penchant_relevance.asks import BLOCK, Ask, Asks, LastItem, Replay
from penchant_relevance.log import log_of
from penchant_relevance.plans import DELAYS, Plan

from tests.unit.relevance_logs import asked_in, bought, did, random_purchases, said, shop


def everything(asks: Asks) -> list[Any]:
    return list(asks.steps())


def asked(asks: Asks) -> list[Ask]:
    return asked_in(everything(asks))


def test_the_last_item_is_asked_for_and_what_comes_before_it_is_the_history() -> None:
    log = bought([(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 4, 1), (1, 0, 2), (1, 2, 3)])
    asks = LastItem(log, Weights(), held_out=1, unseen=2)
    seen, first, second = everything(asks)
    assert log.item[seen].tolist() == [1, 4]
    assert (first.items.tolist(), first.targets.tolist()) == ([1, 2], [3])
    assert (second.items.tolist(), second.targets.tolist()) == ([4, 0], [2])
    assert asks.size() == 2


def test_words_dislikes_and_what_was_met_are_no_last_items_but_may_be_known() -> None:
    told = [
        did(0, 1, 1), said(0, "tea", 2), did(0, 2, 3), did(0, 1, 4), did(0, 3, 5, "hide"), said(0, "cup", 6),
        did(1, 1, 1, "view"), did(1, 2, 2),
    ]  # fmt: skip
    log = log_of("mixed", shop(4), told)
    seen, first, second = everything(LastItem(log, Weights()))
    assert [log.events[position].text or log.events[position].item_id for position in seen] == ["i1", "tea", "i1"]
    assert (first.targets.tolist(), first.items.tolist(), first.seen.tolist()) == ([2], [1], [1])
    assert [event.text for event in first.events] == ["", "tea"]
    assert (second.targets.tolist(), second.items.tolist()) == ([2], [1])


def test_models_see_nothing_of_who_did_no_more_than_is_held_back() -> None:
    log = bought([(0, 1, 1), (0, 2, 2), (1, 0, 1), (1, 1, 2), (1, 2, 3), (1, 3, 4), (2, 0, 1)])
    asks = LastItem(log, Weights(), held_out=2, unseen=3)
    seen, first, second = everything(asks)
    assert log.user[seen].tolist() == [1]
    assert (first.user, first.targets.tolist(), len(first.past)) == (0, [1], 0)
    assert (second.user, second.targets.tolist()) == (1, [2])
    assert asks.size() == 2


def test_a_replay_asks_before_it_tells() -> None:
    log = random_purchases()
    told: list[int] = []
    replay = Replay(log, Weights(), start=0.5)
    for step in everything(replay):
        if not isinstance(step, Ask):
            told += step.tolist()
            continue
        of_user = [position for position in told if log.user[position] == step.user]
        assert step.past.tolist() == of_user
        assert step.items.tolist() == log.item[of_user].tolist()
        assert step.events == tuple(log.events[position] for position in of_user[-WINDOW:])
        assert not set(step.targets) & set(step.seen)
        assert step.now > log.time[told].max()
    assert replay.size() == len(asked(replay)) > 100
    assert told == list(range(len(told))), "every event is told once, in order"


def test_words_are_told_and_known_but_are_no_targets() -> None:
    told = [did(user, user, 0) for user in range(5)]
    told += [said(0, "tea", 1), did(0, 7, 2), did(0, 8, 3, "hide"), did(0, 9, 4, "rate", 3.9), said(0, "cup", 5)]
    log = log_of("mixed", shop(10), [*told, did(0, 6, 6, "rate", 4.0), did(1, 6, 7, "view"), did(1, 6, 8)])
    first, second, third = asked(Replay(log, Weights(), start=0.0))
    assert (first.targets.tolist(), first.items.tolist()) == ([7], [0])
    assert [event.text for event in first.events] == ["", "tea"]
    assert (second.targets.tolist(), second.items.tolist()) == ([6], [0, 7, 9]), "four stars are asked for, 3.9 are not"
    assert second.seen.tolist() == [0, 7, 8, 9], "what is disliked is not listed again either"
    assert (third.user, third.targets.tolist()) == (1, [6]), "a view is half a like, and then it is met"


def test_no_more_is_known_and_hidden_than_a_ledger_holds() -> None:
    log = bought([(0, item, item) for item in range(CAPACITY + 50)])
    *_, last = asked(Replay(log, Weights(), start=0.9))
    assert len(last.past) == CAPACITY + 49
    assert last.seen.tolist() == list(range(49, CAPACITY + 49))
    assert [event.item_id for event in last.events] == [f"i{n}" for n in range(CAPACITY + 49 - WINDOW, CAPACITY + 49)]


def test_a_basket_is_asked_for_as_a_whole() -> None:
    events = [(0, 0, 1), (0, 1, 2), (0, 2, 8), (0, 3, 8), (0, 0, 8), (0, 1, 9)]
    asks = asked(Replay(bought(events, baskets=[1, 2, 3, 3, 3, 4]), Weights(), start=0.2))
    assert [ask.targets.tolist() for ask in asks] == [[2, 3]], "0 and 1 were met before"


def test_nothing_of_a_basket_is_known_when_it_is_asked_for_whoever_acts_at_the_same_moment() -> None:
    events = [(user, 0, 1) for user in range(3)] + [(0, 1, 8), (1, 2, 8), (0, 3, 8), (2, 4, 8), (1, 5, 8)]
    log = bought(events, baskets=[0, 1, 2, 3, 4, 3, 5, 4])
    asks = asked(Replay(log, Weights(), start=0.1))
    assert [(ask.user, ask.targets.tolist()) for ask in asks] == [(0, [1, 3]), (1, [2, 5]), (2, [4])]
    assert all(ask.items.tolist() == ask.seen.tolist() == [0] for ask in asks)


def test_blocks_keep_the_order_of_asks_and_events() -> None:
    replay = Replay(random_purchases(), Weights(), start=0.5)
    flat: list[Any] = []
    for block in replay.blocks():
        flat += block if isinstance(block, list) else [block]
    assert [type(one) for one in flat] == [type(one) for one in everything(replay)]
    assert sum(isinstance(one, Ask) for one in flat) == replay.size()


def test_no_block_is_larger_than_is_scored_at_once() -> None:
    log = bought([(user, step, 10 * user + step) for user in range(BLOCK + 3) for step in range(2)])
    sizes = [len(block) for block in LastItem(log, Weights()).blocks() if isinstance(block, list)]
    assert sizes == [BLOCK, 3]


@pytest.mark.parametrize("kind", ["replay", "last item"])
def test_validation_never_asks_for_a_test_target(kind: Any) -> None:
    log, plan = random_purchases(), Plan(kind)
    chosen_on = plan.variants(log, Weights(), validation=True, late=True)
    tested_on = plan.asks(log, Weights())
    tested = {(ask.user, target) for ask in asked(tested_on) for target in ask.targets.tolist()}
    first_tested = {ask.user: ask.now for ask in reversed(asked(tested_on))}
    for name, asks in chosen_on.items():
        told = [position for step in asks.steps() if not isinstance(step, Ask) for position in step.tolist()]
        assert asked(asks), name
        for ask in asked(asks):
            assert not {(ask.user, target) for target in ask.targets.tolist()} & tested
            assert ask.now < first_tested.get(ask.user, ask.now + 1)
        for position in told:
            assert log.time[position] < first_tested.get(int(log.user[position]), np.inf)


def test_the_main_variant_of_a_validation_ends_before_the_test_begins() -> None:
    log = random_purchases()
    chosen_on, tested_on = Plan().asks(log, Weights(), validation=True), Plan().asks(log, Weights())
    assert max(ask.now for ask in asked(chosen_on)) < min(ask.now for ask in asked(tested_on))


def test_a_replay_is_asked_late_only_where_that_is_wanted() -> None:
    log = random_purchases()
    assert list(Plan().variants(log, Weights())) == ["live"]
    assert list(Plan().variants(log, Weights(), late=True)) == ["live", *DELAYS]
    assert list(Plan("last item").variants(log, Weights(), late=True)) == ["live", "frozen"]
