"""Baselines are what their papers say, and learning live is learning at once."""

from dataclasses import replace

import numpy as np
import pytest
from penchant_core.tuning import DAY, Covisitation, Tuning, Weights
from penchant_relevance.asks import Ask, LastItem, Replay
from penchant_relevance.baselines import (
    Ease,
    ItemKnn,
    LiveItemKnn,
    Popularity,
    RecentPopularity,
    histories,
    interactions,
)
from penchant_relevance.evaluation import Learners, matrix
from penchant_relevance.log import log_of

from tests.unit.relevance_logs import NOTHING, asked_in, did, everybody, random_purchases, said, shop


def history(*items: int) -> Ask:
    return Ask(0, NOTHING, (), np.array(items, np.int64), NOTHING, NOTHING, 0)


def test_item_knn_learns_live_what_it_learns_at_once() -> None:
    log = random_purchases()
    live = LiveItemKnn(len(log.items))
    for user, item in zip(log.user.tolist(), log.item.tolist(), strict=True):
        live.learn(user, item)
    at_once = ItemKnn.fitted(interactions(log.item, log.user, len(log.items)))
    assert np.array_equal(live.together, at_once.together.toarray())
    asks = [history(*log.item[:9].tolist()), history(), history(3)]
    assert live.scores(asks) == pytest.approx(at_once.scores(asks))
    cosine = live.together[3, 5] / np.sqrt(live.users[3] * live.users[5])
    assert live.scores(asks)[2, 5] == pytest.approx(cosine)
    assert cosine > 0.0
    assert not live.scores(asks)[1].any()


def test_an_item_counts_once_in_a_history_however_often_it_was_liked() -> None:
    assert histories([history(2, 0, 2), history(), history(1)], 4).toarray().tolist() == [
        [1.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
    ]


def test_ease_is_the_closed_form() -> None:
    log = random_purchases()
    found = interactions(log.item, log.user, len(log.items))
    plain = found.toarray().astype(np.float64)
    inverse = np.linalg.inv(plain.T @ plain + 7.0 * np.eye(len(log.items)))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    assert Ease.fitted(found, 7.0).weights == pytest.approx(expected, abs=1e-4)
    assert Ease.fitted(found, 7.0).scores([history(3)])[0] == pytest.approx(expected[3], abs=1e-4)


def test_of_nobody_nothing_is_learnt_and_nothing_breaks() -> None:
    nobody = interactions(NOTHING, NOTHING, 4)
    assert not Ease.fitted(nobody, 7.0).scores([history(3)]).any()
    assert not ItemKnn.fitted(nobody).scores([history(3)]).any()


def test_popularity_is_the_number_of_users_who_came() -> None:
    log = log_of("bought", shop(3), [did(0, 1, 1), did(0, 1, 2), did(1, 1, 3), did(1, 2, 4)])
    learners = Learners(Replay(log, Weights()), Tuning())
    learners.learn(np.arange(len(log)))
    assert Popularity(learners.counts).scores([history(), history(2)]).tolist() == [[0.0, 2.0, 1.0]] * 2


def test_recent_popularity_halves_in_its_half_life() -> None:
    recent = RecentPopularity(3, half_life_days=7.0)
    now = 1_700_000_000_000
    for item, time in ((0, now), (0, now), (1, now + 7 * DAY), (2, now + 14 * DAY)):
        recent.learn(item, time)
    assert recent.scores([history(), history(1)]) == pytest.approx(np.array([[0.5, 0.5, 1.0]] * 2))
    recent.learn(0, now + 21 * DAY)
    assert recent.scores([history()])[0] == pytest.approx([1.25, 0.25, 0.5])


def test_models_that_learn_live_hear_of_likes_alone() -> None:
    told = [did(0, 0, 1), did(0, 1, 2), did(0, 2, 3, "hide"), said(0, "tea", 4), did(0, 2, 5, "rate", 3.0)]
    log = log_of("mixed", shop(3), told)
    learners = Learners(Replay(log, Weights()), Tuning())
    knn, recent = learners.item_knn(), learners.recent_popularity(1e6)
    learners.learn(np.arange(len(log)))
    assert knn.users.tolist() == [1.0, 1.0, 0.0]
    assert knn.together[0, 1] == 1.0
    assert recent.scores([history()])[0] == pytest.approx([1.0, 1.0, 0.0])
    assert learners.counts.visits.tolist() == [1.0, 1.0, 0.0]


def test_what_is_counted_at_once_for_the_last_item_leaves_the_target_out() -> None:
    log = random_purchases()
    asks = LastItem(log, Weights())
    seen = asks.before()
    (counts, knn), likes = (Learners(asks, Tuning()).counts, Learners(asks, Tuning()).item_knn()), matrix(asks)
    assert likes.toarray().sum() == counts.visits.sum() == knn.users.sum()
    assert likes.toarray().sum() == len({(int(log.user[p]), int(log.item[p])) for p in seen})
    for ask in asked_in(list(asks.steps())):
        assert not likes[ask.user, ask.targets].toarray().any()


def test_all_users_who_were_asked_have_the_history_that_was_learnt() -> None:
    log, tuning = random_purchases(), Tuning(covisitation=Covisitation())
    asks = everybody(log, tuning, now=999)
    assert np.array_equal(histories(asks, len(log.items)).toarray(), interactions(log.item, log.user, 25).toarray())
    assert replace(asks[0], user=1).items.tolist() == log.item[log.sequences[0]].tolist()
