"""What lists are looked at with: targets, coverage, novelty, diversity, slices; and what the best of a score is."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from penchant_core.tuning import Weights
from penchant_relevance.asks import Ask, LastItem, Replay
from penchant_relevance.measure import NEW_ITEM, SHOWN, Look, Measure, Outcome, best, figures, measured

from tests.unit.relevance_logs import NOTHING, bought, random_purchases

MEASURES = (Measure("NDCG@10"), Measure("Recall@20"), Measure("MRR@5"))


def ask(user: int = 0, targets: Sequence[int] = (0,), known: int = 0) -> Ask:
    return Ask(user, np.arange(known), (), NOTHING, NOTHING, np.array(targets), 0)


def test_a_measure_is_named_by_its_kind_and_size() -> None:
    found = np.array([4.0, 12.0])
    assert [measure.size for measure in MEASURES] == [10, 20, 5]
    ndcg, recall, mrr = (measure.of(found) for measure in MEASURES)
    assert ndcg == pytest.approx((1.0 / math.log2(6)) / (1.0 + 1.0 / math.log2(3)))
    assert (recall, mrr) == (1.0, 0.2)


def test_the_best_are_the_greatest_and_of_equal_ones_the_first() -> None:
    scores = np.array([1.0, 3.0, 2.0, 3.0, 2.0, 2.0, 0.0], np.float32)
    assert best(scores, 3) == [1, 3, 2]
    assert best(scores, 4) == [1, 3, 2, 4]
    assert best(np.zeros(2_000, np.float32), SHOWN) == list(range(SHOWN))
    many = np.random.default_rng(1).integers(0, 5, 1_000).astype(np.float32)
    in_order = sorted(range(1_000), key=lambda item: (-many[item], item))
    for count in (1, SHOWN, 300, 999, 1_000):
        assert best(many, count) == in_order[:count]


def test_a_short_catalogue_is_listed_as_far_as_it_goes() -> None:
    assert best(np.array([1.0, 2.0], np.float32), 10) == [1, 0]
    assert best(np.array([1.0, 2.0, 3.0], np.float32), 3) == [2, 1, 0]
    assert best(np.empty(0, np.float32), 10) == []


def test_what_is_hidden_is_never_among_the_best_however_little_is_left() -> None:
    scores = np.full(20, -np.inf, np.float32)
    assert best(scores, 5) == []
    scores[[17, 4]] = 1.0, 2.0
    assert best(scores, 5) == [4, 17]
    assert best(scores[:5], 5) == [4]


class Flat:
    """A model that likes all items the same, but for one."""

    def __init__(self, favourite: int, n_items: int) -> None:
        self.row = np.zeros(n_items, np.float32)
        self.row[favourite] = 1.0

    def scores(self, asks: Sequence[Ask]) -> NDArray[np.float32]:
        return np.tile(self.row, (len(asks), 1))


def test_what_was_met_is_never_listed_and_a_target_in_the_first_place_counts_in_full() -> None:
    walks = [(0, item, item) for item in range(6)] + [(1, item, step) for step, item in enumerate((3, 14, 15, 16, 19))]
    asked = LastItem(bought(walks), Weights())
    done: list[int] = []
    models = {"the target of 0": Flat(5, 20), "met by both": Flat(3, 20)}
    found = measured(asked, models, MEASURES, lambda _: None, done.append)
    assert 3 not in found["met by both"].shown
    ndcg_of = {name: [values[0] for values in outcome.values] for name, outcome in found.items()}
    assert ndcg_of["the target of 0"][0] == 1.0
    assert ndcg_of["the target of 0"][1] < 0.5
    assert done == [2]


def test_every_model_is_asked_before_what_follows_is_learnt() -> None:
    log = random_purchases()
    replay = Replay(log, Weights(), start=0.9)
    told: list[int] = []
    done: list[int] = []

    class Watching(Flat):
        def scores(self, asks: Sequence[Ask]) -> NDArray[np.float32]:
            assert all(len(told) == np.searchsorted(log.time, ask.now) for ask in asks)
            return super().scores(asks)

    models = {"one": Watching(0, 25), "other": Watching(1, 25)}
    found = measured(replay, models, MEASURES, lambda new: told.extend(new.tolist()), done.append)
    assert done[-1] == replay.size() == len(found["one"].values) == len(found["other"].values)
    assert not found["one"].known, "without a look lists are worth their targets alone"


def test_novelty_and_diversity_are_as_worked_out_by_hand() -> None:
    visits = np.array([3.0, 0.0, 1.0, 8.0], np.float32)
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [1.0, 0.0]], np.float32)
    outcome = Outcome(MEASURES)
    # Parts of all visits, one more for each item: 4/16, 1/16, 2/16, 9/16. Cosines: 0, .6 and .8; then 1.
    outcome.add(ask(), np.array([0.0]), [0, 1, 2], Look(lambda: visits, vectors))
    outcome.add(ask(), np.array([0.0]), [0, 3], Look(lambda: visits, vectors))
    assert outcome.novelty == pytest.approx([(2.0 + 4.0 + 3.0) / 3.0, (2.0 + 4.0 - math.log2(9)) / 2.0])
    assert outcome.diversity == pytest.approx([1.0 - 1.4 / 3.0, 0.0], abs=1e-6)
    # Fewer than five came to all but the last.
    assert outcome.fresh == [1.0, 0.5]
    looked = {"novelty": outcome.novelty, "diversity": outcome.diversity, "new": outcome.fresh}
    assert outcome.looks() == pytest.approx({f"{name}@{SHOWN}": np.mean(values) for name, values in looked.items()})


def test_a_list_of_one_has_no_diversity_and_an_empty_one_no_novelty_either() -> None:
    look = Look(lambda: np.ones(3, np.float32), np.eye(3, dtype=np.float32))
    outcome = Outcome(MEASURES)
    outcome.add(ask(), np.array([0.0]), [], look)
    assert outcome.looks() == {}
    outcome.add(ask(), np.array([0.0]), [1], look)
    assert list(outcome.looks()) == [f"novelty@{SHOWN}", f"new@{SHOWN}"]


def asked_often(known: Sequence[int], ranks: Sequence[float], visits: Sequence[float] = (NEW_ITEM, 0.0)) -> Outcome:
    """Return the outcome of asks by users of whom so many events are known; targets are item 0, and 1 every third."""
    look = Look(lambda: np.array(visits, np.float32), np.eye(2, dtype=np.float32))
    outcome = Outcome((Measure("NDCG@10"), Measure("MRR@10")))
    for number, (events, rank) in enumerate(zip(known, ranks, strict=True)):
        outcome.add(ask(number, [int(number % 3 == 0)], events), np.array([rank]), [0], look)
    return outcome


def test_figures_are_sliced_by_how_much_is_known_of_a_user() -> None:
    known = [0, 1, 2, 3, 5, 6, 10, 11, 50, 51, 900]
    ours, other = asked_often(known, [0.0, 99.0] + [1.0] * 9), asked_often(known, [99.0] * 11)
    found = figures({"ours": ours, "other": other}, 4, "ours")
    slices = found["ours"]["slices"]
    asks = {name.removesuffix(" events known"): part["asks"] for name, part in slices.items()}
    assert asks == {
        "0": 1, "1": 1, "2": 1, "3–5": 2, "6–10": 2, "11–50": 2, "51+": 2, "new items": 4, "known items": 7,
    }  # fmt: skip
    assert (slices["0 events known"]["MRR@10"]["mean"], slices["1 events known"]["MRR@10"]["mean"]) == (1.0, 0.0)
    assert slices["3–5 events known"]["MRR@10"]["mean"] == 0.5
    assert found["other"]["slices"]["51+ events known"]["NDCG@10"]["mean"] == 0.0


def test_a_slice_without_asks_is_left_out() -> None:
    slices = figures({"ours": asked_often([7, 8], [0.0, 0.0])}, 4, "ours")["ours"]["slices"]
    assert list(slices) == ["6–10 events known", "new items", "known items"]


def test_an_item_is_new_until_enough_users_came_and_only_if_no_target_is_known() -> None:
    look = Look(lambda: np.array([NEW_ITEM, NEW_ITEM - 1.0, 0.0], np.float32), np.eye(3, dtype=np.float32))
    outcome = Outcome(MEASURES)
    for targets in ([0], [1], [1, 2], [0, 2]):
        outcome.add(ask(targets=targets), np.zeros(len(targets)), [0, 1], look)
    assert outcome.newest == [False, True, True, False]


def test_figures_tell_coverage_counts_and_how_far_the_others_are_behind() -> None:
    ours, other = asked_often([1] * 40, [0.0] * 40), asked_often([1] * 40, [1.0] * 40)
    other.users = ours.users = [n // 2 for n in range(40)]
    found = figures({"other": other, "ours": ours, "same": ours}, 4, "ours")
    assert {name: figure["coverage@10"] for name, figure in found.items()} == dict.fromkeys(found, 0.25)
    assert (found["ours"]["asks"], found["ours"]["users"]) == (40, 20)
    assert "behind" not in found["ours"]
    assert found["other"]["behind"]["MRR@10"] == {"mean": 0.5, "low": 0.5, "high": 0.5}
    assert set(found["same"]["behind"]["NDCG@10"].values()) == {0.0}


def test_a_model_that_is_worse_for_everybody_is_behind_for_sure() -> None:
    random = np.random.default_rng(1)
    values = random.random(200)
    ours, other = Outcome((Measure("NDCG@10"),)), Outcome((Measure("NDCG@10"),))
    for user, value in enumerate(values.tolist()):
        for outcome, own in ((ours, value), (other, 0.9 * value)):
            outcome.users.append(user)
            outcome.values.append([own])
    found: dict[str, Any] = figures({"ours": ours, "other": other}, 9, "ours")
    assert found["ours"]["NDCG@10"]["low"] < found["other"]["NDCG@10"]["high"]
    assert found["other"]["behind"]["NDCG@10"]["low"] > 0.0
    assert found["ours"]["slices"] == {}, "lists that were not looked at"
