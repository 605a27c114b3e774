"""A search finds what is wrong with settings and judges it by users it did not learn from."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from penchant_core.errors import InvalidSetting
from penchant_core.model import Event
from penchant_core.tuning import TYPE_WEIGHTS, Covisitation, Scoring, Tuning, Weights
from penchant_relevance.evaluation import Learners
from penchant_relevance.log import Log, log_of
from penchant_relevance.measure import Measure, measured
from penchant_relevance.plans import Plan
from penchant_relevance.scoring import Mixture
from penchant_relevance.space import Space
from penchant_relevance.tune import Budget, Judge, Search, Tuned, halves

from tests.unit.relevance_logs import bought, did, random_purchases, read, said, shop

PLAN = Plan("replay", (Measure("NDCG@10"),))
SWAMPED = Tuning(scoring=Scoring(popularity=50.0))
"""What is popular drowns everything that is known of a user."""


def circles(users: int = 60, steps: int = 10) -> Log:
    """Return users who walk one of three circles of twelve things, so that the next one is certain."""
    return bought([(u, 12 * (u % 3) + (step + u) % 12, 100 * step + u) for step in range(steps) for u in range(users)])


def search(log: Log, default: Tuning, **more: int) -> Tuned:
    heard: list[tuple[int, int, float, float]] = []
    budget = replace(Budget(trials=24), **more)
    found = Search(log, read(log), default, PLAN, budget).run(lambda *told: heard.append(told))
    assert [done for done, *_ in heard] == sorted(done for done, *_ in heard)
    assert heard[-1][0] == found.trials == len(found.history)
    assert heard[-1][3] == max(found.history)
    return found


def test_what_swamps_the_score_is_found_and_named_as_what_is_worth_most() -> None:
    found = search(circles(), SWAMPED)
    assert found.default < 0.5
    assert found.tuned > found.default + 0.3
    assert found.better
    assert found.clear
    assert found.lead["mean"] == pytest.approx(found.tuned - found.default)
    assert max(found.ablation, key=lambda group: found.ablation[group]) == "popularity"
    assert found.history[0] < max(found.history)


def test_the_same_seed_draws_the_same_trials() -> None:
    log = circles(users=45)
    assert search(log, SWAMPED, trials=16).history == search(log, SWAMPED, trials=16).history


def test_settings_that_are_as_good_as_can_be_stay() -> None:
    found = search(circles(), Tuning(), trials=16)
    assert found.default > 0.9
    assert not found.clear
    assert found.lead["mean"] <= 0.05


def test_a_search_without_a_gain_ends_early() -> None:
    assert search(circles(), Tuning(), trials=200, patience=9).trials < 60


def test_half_of_the_users_search_and_the_others_judge() -> None:
    log = circles()
    made = Search(log, read(log), Tuning(), PLAN)
    judge = made._judge()
    searching, judging = halves(log, judge.users)
    assert not set(judge.users[searching]) & set(judge.users[judging])
    assert (searching | judging).all()
    assert min(searching.sum(), judging.sum()) > len(judge.users) / 5


def test_of_few_users_all_search_and_all_judge() -> None:
    log = circles(users=12)
    made = Search(log, read(log), Tuning(), PLAN)
    judge = made._judge()
    searching, judging = halves(log, judge.users)
    assert searching.all()
    assert judging.all()


def test_a_judge_measures_what_an_evaluation_does_however_often_it_is_asked() -> None:
    log = random_purchases()
    tunings = [Tuning(), SWAMPED, Tuning(covisitation=Covisitation(step_decay=0.3))]
    judge = Judge(PLAN.asks(log, Weights(), validation=True), read(log), PLAN.measures[0])
    first = judge.values(tunings)
    for column, tuning in enumerate(tunings):
        asks = PLAN.asks(log, Weights(), validation=True)
        learners = Learners(asks, tuning)
        models = {"": Mixture(tuning, read(log), learners.counts)}
        expected = measured(asks, models, PLAN.measures, learners.learn, lambda _: None)[""]
        assert first[:, column] == pytest.approx(np.array(expected.values)[:, 0])
    assert np.array_equal(judge.values(tunings), first)
    assert np.array_equal(judge.values(tunings[2:])[:, 0], first[:, 2])


def test_counts_may_be_made_to_age_on_an_old_log() -> None:
    log = circles()
    made = Search(log, read(log), Tuning(), PLAN, Budget(trials=8), counts=True).run(lambda *_: None)
    assert np.isfinite(made.history).all()
    aging = Tuning(covisitation=Covisitation(half_life_days=30.0))
    judge = Search(log, read(log), aging, PLAN)._judge()
    assert judge.values([aging]).mean() > 0.5


def test_a_log_whose_window_asks_for_nothing_is_refused() -> None:
    log = bought([(u, step % 4, step) for step in range(40) for u in range(6)])
    with pytest.raises(InvalidSetting, match="too short"):
        search(log, Tuning())


def mixed() -> Log:
    events = [did(u, (u + step) % 8, 10 * step + u, "view") for step in range(8) for u in range(9)]
    events += [did(u, u, 200 + u, "purchase") for u in range(9)]
    events += [did(u, u + 1, 300 + u, "hide") for u in range(7)]
    events += [Event("", "u01", "review", 400, "i3", "too thin", 2.0), said(1, "warm", 500)]
    return log_of("mixed", shop(9), events)


def fixed(space: Space, tuning: Tuning) -> Tuning:
    return space.tuning(optuna.trial.FixedTrial(space.parameters(tuning)))


def test_the_default_is_a_point_of_the_space() -> None:
    default = Tuning()
    assert fixed(Space.of(mixed(), default, counts=True), default) == default
    plain = Space.of(circles(), default, counts=False)
    assert fixed(plain, default) == default
    assert "dislike" not in plain.scoring, "nobody disapproves"
    assert "words" not in plain.scoring, "nobody says anything"
    assert not plain.types


def test_weights_keep_their_sign_and_the_commonest_type_is_what_others_are_measured_by() -> None:
    default = Tuning()
    space = Space.of(mixed(), default, counts=False)
    assert set(space.types) == {"purchase", "hide", "review", "search"}
    point = space.parameters(default) | {f"weight.{one}": 2.5 for one in space.types}
    weights = space.tuning(optuna.trial.FixedTrial(point)).weights.by_type
    assert weights == {**TYPE_WEIGHTS, "purchase": 2.5, "hide": -2.5, "review": 2.5, "search": 2.5}


def test_the_ends_of_the_space_are_none_and_nothing() -> None:
    space = Space.of(mixed(), Tuning(), counts=True)
    point = space.parameters(Tuning()) | {
        "scoring.half_life_days": 30.0,
        "scoring.popularity": 0.02,
        "counting.half_life_days": 90.0,
    }
    found = space.tuning(optuna.trial.FixedTrial(point))
    assert (found.scoring.half_life_days, found.scoring.popularity) == (30.0, 0.02)
    assert found.covisitation.half_life_days == 90.0
    point |= {"scoring.half_life_days": 9_000.0, "scoring.popularity": 1.1e-5, "counting.half_life_days": 9_999.0}
    found = space.tuning(optuna.trial.FixedTrial(point))
    assert (found.scoring.half_life_days, found.scoring.popularity) == (None, 0.0)
    assert found.covisitation.half_life_days is None


def test_a_group_is_reverted_and_nothing_else() -> None:
    space = Space.of(mixed(), Tuning(), counts=True)
    other = Tuning(
        Weights({**TYPE_WEIGHTS, "view": 0.1}),
        Covisitation(step_decay=0.4),
        Scoring(recent=9, evidence=3.0, popularity=0.01),
    )
    assert space.reverted(other, "recency").scoring == Scoring(evidence=3.0, popularity=0.01)
    assert space.reverted(other, "words against counts").scoring == Scoring(recent=9, popularity=0.01)
    assert space.reverted(other, "event weights") == replace(other, weights=Weights())
    assert space.reverted(other, "counting") == replace(other, covisitation=Covisitation())
