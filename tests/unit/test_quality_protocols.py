"""Nobody is asked about what was already told, and every model gets the same events."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from penchant_bench.quality.baselines import Ease, ItemKnn, LiveItemKnn, interactions
from penchant_bench.quality.datasets import DataSet, data_folder, load
from penchant_bench.quality.measure import measured
from penchant_bench.quality.offline import Measurement
from penchant_bench.quality.protocols import LastItem, Replay, blocks, variants
from penchant_bench.quality.scoring import Ask
from penchant_core.errors import InvalidSetting
from penchant_core.model import Item
from penchant_core.tuning import Tuning, Weights


def small(events: list[tuple[int, int, int]], name: str = "online_retail") -> DataSet:
    """Return events of (user, item, time) over as many items as are named."""
    user, item, time = np.array(events).T
    n_items = int(item.max()) + 1
    return DataSet(
        name=name,
        items=tuple(Item(item_id=f"i{n}", title=f"thing {n}") for n in range(n_items)),
        users=tuple(f"u{n}" for n in range(int(user.max()) + 1)),
        user=user,
        item=item,
        time=time,
        type="purchase",
    )


def random_walks(seed: int = 5) -> DataSet:
    random = np.random.default_rng(seed)
    return small([(int(random.integers(0, 30)), int(random.integers(0, 25)), step) for step in range(800)])


def everything(asked: LastItem | Replay) -> list[Any]:
    return list(asked.steps())


def test_the_last_item_is_asked_for_and_what_comes_before_it_is_the_history() -> None:
    data = small([(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 4, 1), (1, 0, 2), (1, 2, 3)])
    seen, first, second = everything(LastItem(data, data.weights(Weights()), held_out=1, unseen=2))
    assert data.item[seen].tolist() == [1, 4]
    assert (first.items.tolist(), first.targets.tolist()) == ([1, 2], [3])
    assert (second.items.tolist(), second.targets.tolist()) == ([4, 0], [2])


def test_a_replay_asks_before_it_tells() -> None:
    data = random_walks()
    told: list[int] = []
    asks = 0
    for step in everything(Replay(data, data.weights(Weights()), start=0.5)):
        if not isinstance(step, Ask):
            told += step.tolist()
            continue
        asks += 1
        of_user = [position for position in told if data.user[position] == step.user]
        assert step.items.tolist() == data.item[of_user].tolist()
        assert not set(step.targets) & set(step.items)
        assert step.now > data.time[told].max()
    assert asks > 100
    assert told == list(range(len(told))), "every event is told once, in order"


def test_a_basket_is_asked_for_as_a_whole() -> None:
    events = [(0, 0, 1), (0, 1, 2), (0, 2, 8), (0, 3, 8), (0, 0, 8), (0, 1, 9)]
    data = replace(small(events), basket=np.array([1, 2, 3, 3, 3, 4]))
    asks = [step for step in everything(Replay(data, data.weights(Weights()), start=0.2)) if isinstance(step, Ask)]
    assert [ask.targets.tolist() for ask in asks] == [[2, 3]], "0 and 1 were met before"


def test_blocks_keep_the_order_of_asks_and_events() -> None:
    replay = Replay(random_walks(), np.ones(800), start=0.5)
    flat: list[Any] = []
    for block in blocks(replay):
        flat += block if isinstance(block, list) else [block]
    assert [type(one) for one in flat] == [type(one) for one in everything(replay)]
    assert sum(isinstance(one, Ask) for one in flat) == replay.size()


def test_validation_never_asks_for_a_test_target() -> None:
    data = replace(random_walks(), name="movielens_small")
    (chosen_on,) = variants(data, validation=True).values()
    (tested_on,) = variants(data).values()
    last_chosen = max(step.now for step in everything(chosen_on) if isinstance(step, Ask))
    first_tested = min(step.now for step in everything(tested_on) if isinstance(step, Ask))
    assert last_chosen < first_tested


def test_item_knn_learns_live_what_it_learns_at_once() -> None:
    data = random_walks()
    live = LiveItemKnn(len(data.items))
    for user, item in zip(data.user.tolist(), data.item.tolist(), strict=True):
        live.learn(user, item, approving=True)
    at_once = ItemKnn.fitted(interactions(data.item, data.user, len(data.items)))
    assert np.array_equal(live.together, at_once.together.toarray())
    ask = Ask(0, data.item[:9], np.ones(9), data.time[:9], np.empty(0, np.int64), 0)
    assert live.scores([ask]) == pytest.approx(at_once.scores([ask]))
    cosine = live.together[3, 5] / np.sqrt(live.users[3] * live.users[5])
    lone = replace(ask, items=np.array([3]), weights=np.ones(1))
    assert live.scores([lone])[0, 5] == pytest.approx(cosine)
    assert cosine > 0.0


def test_ease_is_the_closed_form() -> None:
    data = random_walks()
    matrix = interactions(data.item, data.user, len(data.items))
    plain = matrix.toarray().astype(np.float64)
    inverse = np.linalg.inv(plain.T @ plain + 7.0 * np.eye(len(data.items)))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    assert Ease.fitted(matrix, 7.0).weights == pytest.approx(expected, abs=1e-4)


def test_people_who_follow_each_other_are_predicted_by_counts_and_not_by_popularity() -> None:
    # Everybody walks one of two long circles, so the next item is certain once the pairs are known.
    events = [
        (user, 12 * (user % 2) + (step + user) % 12, 100 * step + user) for step in range(9) for user in range(40)
    ]
    data, rows = small(events), np.eye(24, dtype=np.float32)
    heard: list[str] = []
    measurement = Measurement(data, rows, Tuning(), lambda title, done, total: heard.append(title), with_ease=True)
    found = measurement.run()["replay"]
    assert found["Penchant"]["NDCG@20"]["mean"] > 0.9
    assert found["popularity"]["NDCG@20"]["mean"] < 0.5
    assert found["Penchant"]["Recall@20"]["low"] == 1.0
    assert set(found) == {"Penchant", "together only", "text only", "fixed mixture", "popularity", "ItemKNN", "EASE"}
    assert "replay" in heard


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="PENCHANT_TEST_DATA"):
        data_folder(tmp_path / "nowhere")
    with pytest.raises(InvalidSetting, match="amazon_beauty/"):
        load("amazon_beauty", tmp_path)
    with pytest.raises(InvalidSetting, match="take one of amazon_beauty"):
        load("netflix", tmp_path)


class Flat:
    """A model that likes all items the same, but for one."""

    def __init__(self, favourite: int, n_items: int) -> None:
        self.row = np.zeros(n_items, np.float32)
        self.row[favourite] = 1.0

    def scores(self, asks: Sequence[Ask]) -> NDArray[np.float32]:
        return np.tile(self.row, (len(asks), 1))


def test_what_was_met_is_never_listed_and_a_target_in_the_first_place_counts_in_full() -> None:
    walks = [(0, item, item) for item in range(6)] + [(1, item, step) for step, item in enumerate((3, 14, 15, 16, 19))]
    data = small(walks)
    asked = LastItem(data, data.weights(Weights()), held_out=1, unseen=1)
    done: list[int] = []
    found = measured(asked, {"the target of 0": Flat(5, 20), "met by both": Flat(3, 20)}, lambda _: None, done.append)
    assert 3 not in found["met by both"].shown
    ndcg_of = {name: [values[0] for values in outcome.values] for name, outcome in found.items()}
    assert ndcg_of["the target of 0"][0] == 1.0
    assert ndcg_of["the target of 0"][1] < 0.5
    assert done == [2]
