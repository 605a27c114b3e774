"""SASRec learns what is certain, from what it may see, and the same every time."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from penchant_core.errors import InvalidSetting
from penchant_core.tuning import Tuning, Weights
from penchant_relevance.asks import Ask, Asks, LastItem
from penchant_relevance.counting import Floats32
from penchant_relevance.evaluation import Evaluation
from penchant_relevance.log import Indices, Log
from penchant_relevance.measure import Measure
from penchant_relevance.plans import Plan
from penchant_relevance.sasrec import (
    Network,
    Path,
    SasRec,
    TrainingSettings,
    among,
    batches,
    padded,
    paths_of,
    training,
    windows,
)
from penchant_relevance.sasrec_choice import Choice, choose

from tests.unit.relevance_logs import NOTHING, asked_in, bought, random_purchases, read

CPU = torch.device("cpu")
SMALL = TrainingSettings(width=16, blocks=1, length=8, dropout=0.0, batch=256, rate=5e-3, epochs=30)
ITEMS, USERS, STEPS = 24, 120, 8
PLANS = {kind: Plan(kind, (Measure("Recall@1"),)) for kind in ("last item", "replay")}


pytestmark = pytest.mark.usefixtures("one_thread")


def walks() -> Log:
    """Everybody walks round one circle of all items, from some place on."""
    circle = np.random.default_rng(1).permutation(ITEMS)
    starts = np.random.default_rng(2).integers(0, ITEMS, USERS)
    return bought(
        [
            (user, int(circle[(starts[user] + step) % ITEMS]), 100 * step + user)
            for step in range(STEPS)
            for user in range(USERS)
        ]
    )


def trained(paths: list[Path], n_items: int = ITEMS, settings: TrainingSettings = SMALL) -> SasRec:
    return list(training(paths, n_items, settings, CPU))[-1]


def one_by_one(items: Sequence[int]) -> Path:
    return Path(np.array(items, np.int64), np.arange(len(items)) - 1)


def knows(*items: int) -> Ask:
    return Ask(0, NOTHING, (), np.array(items, np.int64), NOTHING, NOTHING, 0)


def quiet(title: str, done: int, total: int) -> None:
    pass


def different_tastes() -> Log:
    """Return what 40 users bought, ten of 40 items each, once each, at random."""
    random = np.random.default_rng(3)
    tastes = [random.permutation(40)[:10] for _ in range(40)]
    return bought([(user, int(tastes[user][step]), 100 * step + user) for step in range(10) for user in range(40)])


def with_others_at(log: Log, positions: Indices) -> Log:
    """Return the log with items at *positions* that their users never meet in it."""
    met = [set(log.item[steps].tolist()) for steps in log.sequences]
    events = list(log.events)
    for position in positions.tolist():
        user = int(log.user[position])
        other = next(item for item in range(len(log.items)) if item not in met[user])
        met[user].add(other)
        events[position] = replace(events[position], item_id=log.items[other].item_id)
    return replace(log, events=tuple(events))


@pytest.mark.parametrize("negatives", [4, ITEMS], ids=["of a few negatives", "of all items"])
def test_a_certain_next_item_is_learnt(negatives: int) -> None:
    log = walks()
    asks = LastItem(log, Weights())
    model = trained(paths_of(asks), settings=replace(SMALL, negatives=negatives))
    asked = asked_in(list(asks.steps()))
    first = model.scores(asked).argmax(axis=1)
    assert np.mean(first == [ask.targets[0] for ask in asked]) > 0.97


def test_a_whole_evaluation_chooses_on_validation_targets_and_writes_what_it_chose() -> None:
    heard = []
    log = walks()
    content = read(log, np.eye(ITEMS, dtype=np.float32))
    plan = Plan("last item", (Measure("NDCG@10"), Measure("Recall@10")))
    evaluation = Evaluation(log, content, Tuning(), plan, lambda *told: heard.append(told), with_sasrec=True)
    found = evaluation.run()
    for variant in ("live", "frozen"):
        assert found[variant]["SASRec"]["NDCG@10"]["mean"] > 0.9
        assert found[variant]["SASRec"]["validation"] > 0.9
        assert 1 <= found[variant]["SASRec"]["settings"]["epochs"] <= TrainingSettings().epochs
    epochs = found["live"]["SASRec"]["settings"]["epochs"]
    assert [told for told in heard if told[0] == "SASRec"] == [("SASRec", n, epochs) for n in range(1, epochs + 1)]


def test_no_step_sees_what_follows_it_nor_the_padding_behind() -> None:
    network = Network(ITEMS, replace(SMALL, blocks=2, dropout=0.5)).eval()
    one, other = np.arange(8), np.array([0, 1, 2, 3, 4, 15, 16, 17])
    short, short_again = np.arange(10, 13), np.arange(10, 13)
    states = network(*padded([one, other, short], CPU))
    assert torch.equal(states[0, :5], states[1, :5])
    assert (states[0, 5:] - states[1, 5:]).abs().amax(dim=1).min() > 0.01
    assert torch.allclose(states[2, :3], network(*padded([short_again], CPU))[0], atol=1e-6)


def test_the_order_of_what_is_known_matters() -> None:
    model = trained([one_by_one(path) for path in ([0, 1, 2], [1, 0, 3]) for _ in range(20)], n_items=8)
    assert model.scores([knows(0, 1), knows(1, 0)]).argmax(axis=1).tolist() == [2, 3]


def test_a_seed_settles_the_scores_whatever_else_draws_random_numbers() -> None:
    paths, settings = paths_of(LastItem(walks(), Weights())), replace(SMALL, epochs=2, dropout=0.3, negatives=8)
    ask = [knows(1, 2, 3)]
    torch.manual_seed(1)
    first, after = trained(paths, settings=settings).scores(ask), torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == after
    assert np.array_equal(first, trained(paths, settings=settings).scores(ask))
    assert not np.array_equal(first, trained(paths, settings=replace(settings, seed=2)).scores(ask))


def known_before_the_test(plan: Plan, log: Log) -> Indices:
    """Return the positions of all events up to the first test target, of every user or of all."""
    return plan.asks(log, Weights()).before()


def everything_of(choice: Choice, asks: Asks) -> tuple[TrainingSettings, float, Floats32]:
    return choice.settings, choice.value, choice.model.scores(asked_in(list(asks.steps()))[:50])


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_other_test_targets_change_nothing_in_what_is_chosen(plan: Plan) -> None:
    log, grid = different_tastes(), (replace(SMALL, epochs=4), replace(SMALL, epochs=4, dropout=0.5))
    validation = plan.asks(log, Weights(), validation=True)
    held_back = np.setdiff1d(np.arange(len(log)), known_before_the_test(plan, log))
    changed = plan.asks(with_others_at(log, held_back), Weights(), validation=True)
    first, again = (
        everything_of(choose(asks, plan.measures[0], quiet, grid, "cpu"), validation) for asks in (validation, changed)
    )
    assert len(held_back) >= 10
    assert first[:2] == again[:2]
    assert np.array_equal(first[2], again[2])


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_validation_targets_are_no_part_of_what_is_trained_on_to_choose(plan: Plan) -> None:
    log, grid = different_tastes(), (replace(SMALL, epochs=1),)
    validation = plan.asks(log, Weights(), validation=True)
    held_back = np.setdiff1d(np.arange(len(log)), validation.before())
    changed = plan.asks(with_others_at(log, held_back), Weights(), validation=True)
    first, again = (choose(asks, plan.measures[0], quiet, grid, "cpu") for asks in (validation, changed))
    ask = [knows(3, 4, 5)]
    assert np.array_equal(first.model.scores(ask), again.model.scores(ask))
    # What the test may see is more, and is learnt for the test.
    test = plan.asks(log, Weights())
    assert len(test.before()) > len(validation.before())
    assert not np.array_equal(first.fitted(test, quiet).scores(ask), first.model.scores(ask))
    assert first.fitted(validation, quiet) is first.model


def test_training_stops_where_the_validation_targets_gain_no_more() -> None:
    heard = []
    asks = PLANS["last item"].asks(walks(), Weights(), validation=True)
    grid = (replace(SMALL, rate=0.0, patience=3), replace(SMALL, epochs=40, patience=40))
    choice = choose(asks, Measure("NDCG@10"), lambda *told: heard.append(told), grid, "cpu")
    assert [done for title, done, _ in heard if title.endswith("1 of 2")] == [1, 2, 3, 4, 30]
    assert choice.settings.rate == SMALL.rate
    assert choice.value > 0.9
    assert choice.settings.epochs <= 40


def test_what_a_user_comes_to_again_is_met_once_and_who_is_unknown_gets_what_is_popular() -> None:
    log = bought([(0, 3, 1), (0, 1, 2), (0, 3, 3), (0, 2, 4), (0, 0, 5), (1, 2, 1), (1, 0, 2), (1, 2, 3), (1, 3, 4)])
    found = paths_of(LastItem(log, Weights()))
    assert [path.items.tolist() for path in found] == [[3, 1, 2], [2, 0]]
    model = trained(found, n_items=4)
    assert model.scores([knows()]).argmax() == 2
    assert np.array_equal(model.scores([knows(3, 1, 3)]), model.scores([knows(3, 1)]))


def test_windows_reach_every_target_and_batches_stay_within_their_steps() -> None:
    random = np.random.default_rng(0)
    paths = [one_by_one(range(100 * row, 100 * row + length)) for row, length in enumerate([1, 2, 9, 10, 57])]
    for _ in range(20):
        cut = windows(paths, 8, random)
        assert {len(window.items) for window in cut} <= set(range(2, 10))
        reached = {item for window in cut for item in window.items[window.before >= 0].tolist()}
        assert reached == {item for path in paths for item in path.items[1:].tolist()}
        found = batches(cut, 24, random)
        assert sorted(id(window) for batch in found for window in batch) == sorted(map(id, cut))
        assert all(len(batch) * (max(len(window.items) for window in batch) - 1) <= 24 for batch in found)


def test_what_is_bought_together_comes_after_what_was_bought_before() -> None:
    events = [(0, 3, 1), (0, 1, 1), (0, 3, 2), (0, 2, 2), (0, 0, 2), (0, 4, 3), (0, 5, 4)]
    path = paths_of(LastItem(bought(events, baskets=[0, 0, 1, 1, 1, 2, 3]), Weights()))[0]
    assert path.items.tolist() == [3, 1, 2, 0, 4]
    assert path.before.tolist() == [-1, -1, 1, 1, 3]
    part = path.window(1, 5)
    assert (part.items.tolist(), part.before.tolist()) == ([1, 2, 0, 4], [-1, 0, 0, 2])
    assert windows([path], 1, np.random.default_rng(0))[0].before.tolist() == [-1, 0]


def test_drawn_negatives_stand_for_all_items_that_are_no_targets() -> None:
    targets = torch.tensor([5, 2, 5])
    candidates, columns, log_weights = among(targets, 12, 4)
    assert len(candidates) == 6
    assert candidates[columns].tolist() == targets.tolist()
    assert log_weights.exp().sum() == pytest.approx(12.0)
    assert log_weights[columns].tolist() == [0.0, 0.0, 0.0]
    everything, _, none = among(targets, 12, 100)
    assert everything.tolist() == list(range(12))
    assert not none.any()


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("sasrec", "sasrec_choice"):
        monkeypatch.delitem(sys.modules, f"penchant_relevance.{name}")
    log = random_purchases()
    evaluation = Evaluation(log, read(log), Tuning(), Plan("last item"), quiet, with_sasrec=True)
    with pytest.raises(InvalidSetting, match=r"with_sasrec: SASRec needs torch; run pip install 'penchant\[torch\]'"):
        evaluation.run()
    assert "SASRec" not in replace(evaluation, with_sasrec=False).run()["live"]


def test_a_device_that_is_not_there_is_named() -> None:
    asks = PLANS["last item"].asks(walks(), Weights(), validation=True)
    with pytest.raises(InvalidSetting, match="device: 'abacus' is not usable here; use auto, which gives"):
        choose(asks, Measure("NDCG@10"), quiet, device="abacus")
