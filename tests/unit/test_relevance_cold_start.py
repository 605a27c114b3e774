"""Cold start: the same asks with less and less known of who asks."""

import numpy as np
import pytest
from penchant_core.errors import InvalidSetting
from penchant_core.tuning import Tuning, Weights
from penchant_relevance.asks import Asks, Kept, LastItem, Replay
from penchant_relevance.cold_start import KNOWN, LEAST, cold_start, newest
from penchant_relevance.evaluation import Evaluation
from penchant_relevance.log import Log
from penchant_relevance.measure import Measure
from penchant_relevance.plans import Plan

from tests.unit.relevance_logs import asked_in, bought, random_life, random_purchases, read

MEASURES = (Measure("NDCG@10"), Measure("MRR@10"))
LIFE = random_life(np.arange(0, 600_000, 700, dtype=np.int64), n_users=20, n_items=40, words=True)


def circles(steps: int) -> Log:
    """Everybody walks one of two circles: one step of a user tells the next, none tells nothing."""
    return bought(
        [(user, 20 * (user % 2) + (step + user) % 20, 100 * step + user) for step in range(steps) for user in range(40)]
    )


def evaluation(log: Log, plan: Plan) -> Evaluation:
    return Evaluation(log, read(log), Tuning(), plan, lambda *_: None)


@pytest.mark.parametrize(
    "asks", [LastItem(LIFE, Weights()), Replay(LIFE, Weights(), start=0.5)], ids=["last", "replay"]
)
@pytest.mark.parametrize("known", [0, 1, 3, 10_000])
def test_the_newest_events_are_known_and_what_was_met_stays_hidden(asks: Asks, known: int) -> None:
    found = asked_in(list(asks.steps()))
    assert any(len(ask.past) > 3 for ask in found)
    for ask in found:
        cut = newest(ask, known, asks)
        past = ask.past.tolist()[::-1][:known][::-1]
        assert cut.past.tolist() == past
        assert list(cut.events) == [LIFE.events[position] for position in past]
        approved = [p for p in past if asks.weights[p] > 0.0 and LIFE.item[p] >= 0]
        assert cut.items.tolist() == LIFE.item[approved].tolist()
        assert cut.seen is ask.seen
        assert (cut.user, cut.targets.tolist(), cut.now) == (ask.user, ask.targets.tolist(), ask.now)


def test_only_users_of_whom_enough_is_known_are_asked_for_and_all_is_learnt() -> None:
    asks = Replay(LIFE, Weights(), start=0.1)
    few = Kept(asks, lambda _, ask: len(ask.past) >= 12)
    kept, everything = list(few.steps()), list(asks.steps())
    assert [ask.now for ask in asked_in(kept)] == [ask.now for ask in asked_in(everything) if len(ask.past) >= 12]
    assert 0 < few.size() == len(asked_in(kept)) < len(asked_in(everything))
    told = [np.concatenate([s for s in steps if isinstance(s, np.ndarray)]).tolist() for steps in (kept, everything)]
    assert told[0] == told[1]


@pytest.mark.parametrize("plan", [Plan("last item", MEASURES), Plan("replay", MEASURES)], ids=["last", "replay"])
def test_nothing_known_gives_what_is_popular_and_one_event_where_it_tells_all_is_enough(plan: Plan) -> None:
    found = cold_start(evaluation(circles(18), plan))["figures"]
    assert list(found) == [str(known) for known in KNOWN]
    for models in found.values():
        assert {"Penchant", "popularity", "ItemKNN"} <= set(models)
        assert ("recent popularity" in models) == (plan.kind == "replay")
        assert models["Penchant"]["asks"] == found["0"]["Penchant"]["asks"] > 30
        assert models["popularity"]["MRR@10"] == found["0"]["popularity"]["MRR@10"], "popularity knows nobody"
    assert found["0"]["Penchant"]["MRR@10"] == found["0"]["popularity"]["MRR@10"]
    assert found["0"]["Penchant"]["MRR@10"]["high"] < 0.5
    assert found["1"]["Penchant"]["MRR@10"]["low"] > 0.9
    assert found["1"]["popularity"]["behind"]["MRR@10"]["low"] > 0.4


def test_with_as_much_known_as_there_is_the_figures_are_those_of_the_evaluation() -> None:
    # Of nobody more is known than ten events and the one that is asked for.
    log = circles(LEAST + 1)
    wanted = evaluation(log, Plan("last item", MEASURES))
    whole, cold = wanted.run()["live"], cold_start(wanted)["figures"][str(LEAST)]
    for model in ("Penchant", "popularity", "ItemKNN"):
        assert cold[model]["NDCG@10"] == whole[model]["NDCG@10"]
    assert cold["ItemKNN"]["behind"] == whole["ItemKNN"]["behind"]


def test_a_log_in_which_nobody_is_known_well_enough_is_refused() -> None:
    with pytest.raises(InvalidSetting, match=f"^cold_start: nobody asks of whom {LEAST} events are known"):
        cold_start(evaluation(bought([(n % 30, n % 7, n) for n in range(200)]), Plan("last item", MEASURES)))


def test_a_cold_start_is_the_same_each_time() -> None:
    log = random_purchases()
    assert cold_start(evaluation(log, Plan())) == cold_start(evaluation(log, Plan()))
