"""Metrics against values worked out by hand."""

import math

import numpy as np
import pytest
from penchant_relevance.metrics import Estimate, bootstrap, mrr, ndcg, ranks, recall


def test_the_rank_of_the_best_is_zero_and_ties_share_the_middle() -> None:
    scores = np.array([0.5, 0.9, 0.5, 0.1, 0.5], np.float32)
    assert ranks(scores, np.array([1])).tolist() == [0.0]
    assert ranks(scores, np.array([0])).tolist() == [2.0]
    assert ranks(scores, np.array([3])).tolist() == [4.0]


def test_several_targets_are_ranked_together() -> None:
    scores = np.array([0.5, 0.9, 0.7, 0.1], np.float32)
    assert ranks(scores, np.array([0, 1])).tolist() == [2.0, 0.0]


def test_recall_is_the_part_of_the_targets_that_is_shown() -> None:
    assert recall(np.array([0.0, 9.0, 10.0, 50.0]), 10) == 0.5


def test_ndcg_of_one_target_is_its_discount() -> None:
    assert ndcg(np.array([0.0]), 10) == 1.0
    assert ndcg(np.array([2.0]), 10) == pytest.approx(0.5)
    assert ndcg(np.array([10.0]), 10) == 0.0


def test_ndcg_of_several_targets_is_measured_against_the_best_list() -> None:
    best = 1.0 + 1.0 / math.log2(3)
    assert ndcg(np.array([0.0, 1.0]), 10) == pytest.approx(1.0)
    assert ndcg(np.array([0.0, 3.0]), 10) == pytest.approx((1.0 + 1.0 / math.log2(5)) / best)
    assert ndcg(np.array([0.0, 1.0, 2.0]), 2) == pytest.approx(1.0)


def test_mrr_is_one_over_the_place_of_the_first_target_shown() -> None:
    assert mrr(np.array([0.0]), 10) == 1.0
    assert mrr(np.array([7.0, 3.0, np.inf]), 10) == 0.25
    assert mrr(np.array([9.0]), 10) == pytest.approx(0.1)
    assert mrr(np.array([10.0]), 10) == 0.0
    assert mrr(np.array([np.inf]), 10) == 0.0
    assert mrr(np.array([0.5]), 10) == pytest.approx(1.0 / 1.5), "two that tie for the first place share it"


def interval(values: np.ndarray, users: np.ndarray, seed: int = 1) -> Estimate:
    return bootstrap(values, users, seed).estimate(0)


def test_the_bootstrap_is_the_same_every_time_and_depends_on_its_seed() -> None:
    values, users = np.random.default_rng(1).random(300), np.arange(300)
    one, again, other = interval(values, users), interval(values, users), interval(values, users, seed=2)
    assert one == again
    assert one != other
    assert one.low < one.mean < one.high
    assert one.mean == pytest.approx(values.mean())
    # The mean of 300 numbers with standard deviation 0.29 has an interval of about 4 × 0.29 / √300.
    assert one.high - one.low == pytest.approx(0.065, abs=0.01)


def test_the_bootstrap_resamples_users_not_asks() -> None:
    few_users = np.repeat(np.arange(5), 60)
    values = np.repeat([0.0, 0.0, 1.0, 1.0, 1.0], 60)
    alone = interval(values, np.arange(300))
    together = interval(values, few_users)
    assert together.high - together.low > 4 * (alone.high - alone.low)


def test_columns_are_estimated_as_if_alone() -> None:
    table, users = np.random.default_rng(1).random((200, 3)), np.arange(200) // 4
    whole = bootstrap(table, users, seed=5)
    for column in range(3):
        alone = bootstrap(table[:, column], users, seed=5).estimate(0)
        found = whole.estimate(column)
        assert (found.mean, found.low, found.high) == pytest.approx((alone.mean, alone.low, alone.high))


@pytest.mark.parametrize("columns", [2, 3, 4, 5, 8, 13])
def test_two_equal_columns_differ_by_nothing_at_all(columns: int) -> None:
    table, users = np.random.default_rng(1).random((1_000, columns)), np.random.default_rng(2).integers(0, 211, 1_000)
    table[:, -1] = table[:, 0]
    found = bootstrap(table, users)
    assert found.difference(0, columns - 1) == found.difference(columns - 1, 0) == Estimate(0.0, 0.0, 0.0)
    assert found.estimate(0) == found.estimate(columns - 1)


def test_a_difference_is_of_the_same_users_on_both_sides() -> None:
    random = np.random.default_rng(1)
    # Users differ a lot, but everybody is a little better off on the left.
    right = random.random(400) * 10.0
    left = right + 0.1 + random.normal(0.0, 0.01, 400)
    found = bootstrap(np.stack([left, right], axis=1), np.arange(400))
    ahead = found.difference(0, 1)
    assert ahead.mean == pytest.approx(0.1, abs=0.002)
    assert 0.098 < ahead.low < ahead.mean < ahead.high < 0.102
    assert found.estimate(0).low < found.estimate(1).high, "on their own they could not be told apart"
    behind = found.difference(1, 0)
    assert (behind.low, behind.high) == pytest.approx((-ahead.high, -ahead.low))


def test_the_number_of_resamples_can_be_chosen() -> None:
    values = np.random.default_rng(1).random(50)
    assert bootstrap(values, np.arange(50), resamples=17).samples.shape == (17, 1)
