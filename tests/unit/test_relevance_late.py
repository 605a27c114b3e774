"""A replay that learns later: what is not old enough is not known, and yet not listed again."""

from collections.abc import Iterator

import numpy as np
import pytest
from penchant_core.tuning import Weights
from penchant_relevance.asks import FROZEN, Ask, Asks, Replay
from penchant_relevance.plans import Plan

from tests.unit.relevance_logs import bought, random_purchases

LOG = random_purchases()
START = 0.5


def replay(delay: int = 0, most: int | None = None) -> Replay:
    return Replay(LOG, Weights(), start=START, delay=delay, most=most)


def with_told(asks: Asks) -> Iterator[tuple[Ask, list[int]]]:
    """Yield every ask with the positions of all events told before it."""
    told: list[int] = []
    for step in asks.steps():
        if isinstance(step, Ask):
            yield step, list(told)
        else:
            told += step.tolist()


@pytest.mark.parametrize("delay", [1, 50, 10_000, FROZEN])
def test_the_same_is_asked_however_late_things_are_learnt(delay: int) -> None:
    live, late = [ask for ask, _ in with_told(replay())], [ask for ask, _ in with_told(replay(delay))]
    assert len(live) == len(late) == replay(delay).size() > 100
    for now, later in zip(live, late, strict=True):
        assert (now.user, now.now, now.targets.tolist()) == (later.user, later.now, later.targets.tolist())
        assert now.seen.tolist() == later.seen.tolist(), "what was met is hidden at once"


@pytest.mark.parametrize("delay", [1, 50, 300])
def test_with_a_delay_only_what_is_older_is_known(delay: int) -> None:
    window = int(np.quantile(LOG.time, START))
    for ask, told in with_told(replay(delay)):
        old = np.flatnonzero(LOG.time <= max(window, ask.now - delay))
        assert told == old.tolist()
        own = old[LOG.user[old] == ask.user]
        assert ask.past.tolist() == own.tolist()
        assert ask.items.tolist() == LOG.item[own].tolist()
        assert [event.occurred_at for event in ask.events] == LOG.time[own].tolist()


def test_frozen_knows_nothing_of_the_window() -> None:
    before = replay(FROZEN).before().tolist()
    assert before == np.flatnonzero(LOG.time <= np.quantile(LOG.time, START)).tolist()
    asks = list(with_told(replay(FROZEN)))
    for ask, told in asks:
        assert told == before
        assert ask.past.tolist() == [position for position in before if LOG.user[position] == ask.user]
    hidden = [set(ask.seen.tolist()) - set(ask.items.tolist()) for ask, _ in asks]
    assert any(hidden), "somebody met something in the window"


def test_of_one_moment_nothing_is_known_a_millisecond_later() -> None:
    log = bought([(0, 0, 1), (1, 0, 1), (0, 1, 5), (1, 2, 5), (0, 3, 6), (1, 4, 7)])
    known = {
        ask.now: (sorted(log.time[told].tolist()), ask.items.tolist())
        for ask, told in with_told(Replay(log, Weights(), start=0.0, delay=1))
    }
    assert known[5] == ([1, 1], [0])
    assert known[6] == ([1, 1, 5, 5], [0, 1])
    assert known[7] == ([1, 1, 5, 5, 6], [0, 2])


@pytest.mark.parametrize("most", [1, 7, 20, 60, 10_000])
@pytest.mark.parametrize("delay", [0, 50, FROZEN])
def test_of_too_many_asks_every_nth_is_asked_and_all_is_told(most: int, delay: int) -> None:
    full = list(with_told(replay(delay)))
    every = -(-len(full) // most)
    thinned = list(with_told(replay(delay, most)))
    assert len(thinned) == replay(delay, most).size() <= most
    assert len(thinned) > most // 2 or every == 1
    for (ask, told), (same, as_told) in zip(thinned, full[::every], strict=True):
        assert told == as_told
        assert (ask.user, ask.now, ask.targets.tolist()) == (same.user, same.now, same.targets.tolist())
        assert ask.past.tolist() == same.past.tolist()


def test_a_plan_thins_all_of_its_variants() -> None:
    variants = Plan(most=10).variants(LOG, Weights(), late=True)
    whole = Plan().asks(LOG, Weights()).size()
    assert whole > 10
    assert {asks.size() for asks in variants.values()} == {-(-whole // -(-whole // 10))}
