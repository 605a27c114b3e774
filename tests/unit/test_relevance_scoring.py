"""The offline score is the score that ships: both read the same events and must agree."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from penchant_core.counts import Counts, changes_of, dimension
from penchant_core.covisitation import fold
from penchant_core.interests import Known, interests_of
from penchant_core.ledger import CAPACITY, Ledger
from penchant_core.model import Event
from penchant_core.tuning import (
    DAY,
    REFERENCE_COVISITATION,
    REFERENCE_SCORING,
    Covisitation,
    Scoring,
    Tuning,
    Weights,
)
from penchant_relevance.asks import Ask, Replay
from penchant_relevance.counting import CountsAtOnce, PairCounts
from penchant_relevance.evaluation import Learners
from penchant_relevance.log import Log, log_of
from penchant_relevance.scoring import Content, Mixture

from tests.unit.relevance_logs import NOTHING, did, everybody, random_life, read, said, shop

ITEMS, USERS, EVENTS = 40, 15, 600
START = 1_700_000_000_000
NOW = START + EVENTS * DAY
TUNINGS = {
    "evidence": Tuning(),
    "strong dislike, many interests": Tuning(scoring=Scoring(dislike=2.0, recent=30, popularity=0.1)),
    "fixed mixture": Tuning(Weights(), REFERENCE_COVISITATION, REFERENCE_SCORING),
    "aging": Tuning(covisitation=Covisitation(half_life_days=200.0), scoring=Scoring(half_life_days=30.0)),
    "aging fixed mixture": Tuning(Weights(), replace(REFERENCE_COVISITATION, half_life_days=200.0), REFERENCE_SCORING),
    "short reach, narrow": Tuning(covisitation=Covisitation(reach=3, reverse=0.0, width=16)),
    "narrow": Tuning(covisitation=Covisitation(width=16)),
}
WORDED = {
    "words beside an item say nothing": Tuning(),
    "quiet words": Tuning(scoring=Scoring(words=0.5)),
    "loud words": Tuning(scoring=Scoring(content=1.0, dislike=0.7, words=1.0, together=0.1)),
    "fixed mixture": Tuning(Weights(), REFERENCE_COVISITATION, replace(REFERENCE_SCORING, words=0.5)),
    "aging": Tuning(covisitation=Covisitation(half_life_days=200.0), scoring=Scoring(half_life_days=30.0, words=0.5)),
}


def life(*, words: bool) -> Log:
    # Several events share a moment, as the lines of an order do.
    times = START + np.sort(np.random.default_rng(7).integers(0, EVENTS // 2, EVENTS)) * DAY
    return random_life(times, USERS, ITEMS, words=words)


def learnt_by_the_core(log: Log, tuning: Tuning) -> tuple[dict[str, Ledger], dict[str, Counts]]:
    ledgers: dict[str, Ledger] = defaultdict(Ledger)
    counts: dict[str, Counts] = defaultdict(Counts)
    for event in log.events:
        ledgers[event.user_id], flow = fold(ledgers[event.user_id], [event], tuning.weights, tuning.covisitation)
        for item, change in changes_of(flow).items():
            counts[item] = counts[item].with_change(change, tuning.covisitation)
    return ledgers, counts


def scores_of_the_core(log: Log, content: Content, tuning: Tuning) -> NDArray[np.float64]:
    ledgers, counts = learnt_by_the_core(log, tuning)
    known = {
        item.item_id: Known(item, row, counts[item.item_id]) for item, row in zip(log.items, content.items, strict=True)
    }
    texts = dict(zip(log.texts, content.texts, strict=True))
    found = np.zeros((len(log.users), len(log.items)))
    for user, user_id in enumerate(log.users):
        interests = interests_of(ledgers[user_id].events, known, texts, tuning, NOW)
        weights = {dimension(source): weight for source, weight in interests.sources.items()}
        for item, one in enumerate(known.values()):
            own = one.counts
            pairs = zip(own.dims.tolist(), own.weighted(tuning.covisitation).tolist(), strict=True)
            together = sum(weights.get(dim, 0.0) * value for dim, value in pairs)
            popular = interests.popularity * np.log1p(own.visits)
            found[user, item] = interests.content @ content.items[item] + together + popular
    return found


def counted_at_once(log: Log, tuning: Tuning) -> PairCounts:
    steps = np.concatenate(log.sequences)
    steps = steps[(log.weights(tuning.weights)[steps] > 0.0) & (log.item[steps] >= 0)]
    return CountsAtOnce(log.item[steps], log.user[steps], log.time[steps], len(log.items), tuning.covisitation)


def counted_live(log: Log, tuning: Tuning) -> PairCounts:
    learners = Learners(Replay(log, tuning.weights), tuning)
    learners.learn(np.arange(len(log)))
    return learners.counts


@pytest.mark.parametrize("name", TUNINGS)
def test_live_counts_give_the_score_of_the_core(name: str) -> None:
    log, tuning = life(words=False), TUNINGS[name]
    content = read(log)
    expected = scores_of_the_core(log, content, tuning)
    found = Mixture(tuning, content, counted_live(log, tuning)).scores(everybody(log, tuning, NOW))
    assert np.abs(expected).max() > 0.01
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in TUNINGS if "narrow" not in name])
def test_counts_of_all_events_at_once_give_the_score_of_the_core(name: str) -> None:
    log, tuning = life(words=False), TUNINGS[name]
    content = read(log)
    expected = scores_of_the_core(log, content, tuning)
    found = Mixture(tuning, content, counted_at_once(log, tuning)).scores(everybody(log, tuning, NOW))
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("count", [counted_live, counted_at_once])
@pytest.mark.parametrize("name", WORDED)
def test_words_count_as_in_the_core(name: str, count: Callable[[Log, Tuning], PairCounts]) -> None:
    log, tuning = life(words=True), WORDED[name]
    content, asks = read(log), everybody(log, tuning, NOW)
    assert {"search", "dislike", "review", "rate"} == {event.type for event in log.events}
    counts = count(log, tuning)
    found = Mixture(tuning, content, counts).scores(asks)
    assert found == pytest.approx(scores_of_the_core(log, content, tuning), abs=1e-5)
    mute = replace(content, texts=np.zeros_like(content.texts))
    assert np.abs(found - Mixture(tuning, mute, counts).scores(asks)).max() > 1e-3, "words matter here"


def test_the_same_words_may_praise_one_thing_and_blame_another() -> None:
    tuning = Tuning(scoring=Scoring(content=1.0, dislike=1.0, words=1.0))
    told = [
        Event("", "u", "review", START, "i0", "as expected", 5.0),
        Event("", "u", "review", START + 1, "i1", "as expected", 1.0),
        did(9, 2, START),
    ]
    log = log_of("mixed", shop(5), told)
    content = read(log)
    found = Mixture(tuning, content, counted_live(log, tuning)).scores(everybody(log, tuning, NOW))
    assert found[0] == pytest.approx(scores_of_the_core(log, content, tuning)[0], abs=1e-5)


def test_words_take_places_in_a_full_ledger_as_in_the_core() -> None:
    random = np.random.default_rng(1)
    between = [
        did(0, int(random.integers(0, 30)), START + step) if step % 3 else said(0, "tea", START + step)
        for step in range(CAPACITY)
    ]
    # When they come back to the first item, the ledger has forgotten it: a visit more.
    told = [did(0, 30, START - 1), *between, did(0, 30, START + CAPACITY)]
    log, tuning = log_of("long", shop(31), told), Tuning()
    _, counts = learnt_by_the_core(log, tuning)
    live = counted_live(log, tuning)
    visits = [counts[item.item_id].visits for item in log.items]
    assert visits[30] == 2.0
    assert live.visits == pytest.approx(np.array(visits))
    assert live.out == pytest.approx(np.array([counts[item.item_id].out for item in log.items]), rel=1e-4)


def stranger(user: int, log: Log, *told: Event) -> Ask:
    return Ask(user, np.arange(len(told)), told, NOTHING, NOTHING, NOTHING, NOW)


def test_somebody_without_interests_gets_what_is_popular() -> None:
    log, tuning = life(words=True), Tuning()
    counts = counted_at_once(log, tuning)
    nobody = stranger(0, log)
    hater = stranger(1, log, did(1, 3, NOW, "hide"))
    grumbler = stranger(2, log, said(2, "bad", NOW, "dislike"))
    searcher = stranger(3, log, said(3, "blue shoes", NOW))
    found = Mixture(tuning, read(log), counts).scores([nobody, hater, grumbler, searcher])
    for row in found[:3]:
        assert row == pytest.approx(np.log1p(counts.visits))
    content = read(log)
    words = content.texts[content.text_index["blue shoes"]]
    assert found[3] == pytest.approx(tuning.scoring.content * content.items @ words, abs=1e-6)


def test_everybody_of_a_block_is_scored_by_their_own_past() -> None:
    log, tuning = life(words=True), Tuning()
    model = Mixture(tuning, read(log), counted_live(log, tuning))
    asks: Sequence[Ask] = everybody(log, tuning, NOW)
    alone = np.concatenate([model.scores([ask]) for ask in asks])
    assert model.scores(asks) == pytest.approx(alone, abs=1e-6)
