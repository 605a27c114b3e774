"""Metrics against values worked out by hand."""

import math

import numpy as np
import pytest
from penchant_bench.quality.metrics import bootstrap, ndcg, ranks, recall


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


def test_the_bootstrap_is_the_same_every_time_and_depends_on_its_seed() -> None:
    values, users = np.random.default_rng(1).random(300), np.arange(300)
    one, again, other = bootstrap(values, users), bootstrap(values, users), bootstrap(values, users, seed=2)
    assert one == again
    assert one != other
    assert one.low < one.mean < one.high
    assert one.mean == pytest.approx(values.mean())
    # The mean of 300 numbers with standard deviation 0.29 has an interval of about 4 × 0.29 / √300.
    assert one.high - one.low == pytest.approx(0.065, abs=0.01)


def test_the_bootstrap_resamples_users_not_asks() -> None:
    few_users = np.repeat(np.arange(5), 60)
    values = np.repeat([0.0, 0.0, 1.0, 1.0, 1.0], 60)
    alone = bootstrap(values, np.arange(300))
    together = bootstrap(values, few_users)
    assert together.high - together.low > 4 * (alone.high - alone.low)
