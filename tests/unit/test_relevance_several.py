"""Several interests against one: users made of two, and lists as a service makes them."""

from dataclasses import replace

import numpy as np
import pytest
from penchant_core.tuning import Scoring, Tuning, Weights
from penchant_relevance.asks import LastItem
from penchant_relevance.evaluation import Evaluation, Learners
from penchant_relevance.log import Log
from penchant_relevance.measure import SHOWN, best
from penchant_relevance.mixed import MOMENT, MixedUsers, united
from penchant_relevance.plans import Plan
from penchant_relevance.scoring import Content, Mixture
from penchant_relevance.several import SPREADS, Candidates, Listed, several_interests, ways

from tests.unit.relevance_logs import asked_in, bought, random_life, read

LIFE = random_life(np.arange(0, 600_000, 700, dtype=np.int64), n_users=20, n_items=60, words=True)
LOUD = Tuning(scoring=Scoring(evidence=4.0, content=0.3))


def sides(users: int = 40, steps: int = 8) -> tuple[Log, Content]:
    """Users of even number walk along the first twenty items, the others along the rest; words tell the sides apart."""
    told = [
        (user, 20 * (user % 2) + (3 * user + step) % 20, 100 * step + user)
        for step in range(steps)
        for user in range(users)
    ]
    log = bought(told)
    rows = np.random.default_rng(1).normal(scale=0.1, size=(40, 8)).astype(np.float32)
    rows[:20, 0] += 1.0
    rows[20:, 1] += 1.0
    order = [log.index[f"i{number}"] for number in range(40)]
    unit = np.empty_like(rows)
    unit[order] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return log, read(log, unit)


def test_a_user_made_of_two_did_what_both_did_by_turns_and_turns_to_both() -> None:
    asks = asked_in(list(LastItem(LIFE, Weights()).steps()))
    one, other = asks[0], asks[3]
    mixed = united(one, other)
    assert mixed.targets.tolist() == sorted({*one.targets.tolist(), *other.targets.tolist()})
    assert set(mixed.seen.tolist()) == {*one.seen.tolist(), *other.seen.tolist()}
    assert mixed.items.tolist() == [*one.items.tolist(), *other.items.tolist()]
    newest = mixed.events[::-1]
    assert {event.user_id for event in newest[::2][:5]} == {one.events[0].user_id}
    assert {event.user_id for event in newest[1::2][:5]} == {other.events[0].user_id}
    assert newest[0].occurred_at - newest[1].occurred_at == MOMENT
    assert all(event.occurred_at < mixed.now for event in mixed.events)
    own = [replace(event, occurred_at=0) for event in mixed.events if event.user_id == one.events[0].user_id]
    assert own == [replace(event, occurred_at=0) for event in one.events]


def test_what_is_done_at_one_moment_stays_together() -> None:
    log = bought([(0, 0, 5), (0, 1, 5), (0, 2, 9), (0, 3, 10), (1, 4, 6), (1, 5, 7), (1, 6, 11)])
    one, other = asked_in(list(LastItem(log, Weights()).steps()))
    times = [event.occurred_at for event in united(one, other).events if event.user_id == "u00"]
    assert times[0] == times[1] == times[2] - 2 * MOMENT


def test_users_who_want_unlike_things_are_made_one() -> None:
    log, content = sides()
    mixed = MixedUsers(LastItem(log, Weights()), content, Tuning())
    asks = asked_in(list(mixed.steps()))
    assert 0 < mixed.size() == len(asks)
    for ask in asks:
        sides_of = [int(log.items[target].item_id.removeprefix("i")) // 20 for target in ask.targets.tolist()]
        assert sorted(sides_of) == [0, 1]
        assert not set(ask.targets.tolist()) & set(ask.seen.tolist())


@pytest.mark.parametrize("way", ["several interests", "one interest"])
def test_where_every_item_is_a_candidate_a_list_is_the_best_of_the_exact_score(way: str) -> None:
    last = LastItem(LIFE, Weights())
    asks = asked_in(list(last.steps()))
    exact = Mixture(LOUD, read(LIFE), Learners(last, LOUD).counts)
    listed = Listed(Candidates(LIFE, exact), replace(ways(LOUD.scoring)[way], depth=1_000)).scores(asks)
    for ask, row, whole in zip(asks, listed, exact.scores(asks), strict=True):
        whole[ask.seen] = -np.inf
        assert best(row, SHOWN) == best(whole, SHOWN)


def test_a_balance_brings_both_halves_of_a_made_up_user_into_the_list() -> None:
    log, content = sides()
    last = LastItem(log, Weights())
    asks = asked_in(list(MixedUsers(last, content, LOUD).steps()))
    candidates = Candidates(log, Mixture(LOUD, content, Learners(last, LOUD).counts))
    scoring = replace(LOUD.scoring, balance=1.0)
    for row in Listed(candidates, scoring).scores(asks):
        side = [int(log.items[item].item_id.removeprefix("i")) // 20 for item in best(row, SHOWN)]
        assert abs(sum(side) - SHOWN / 2) <= 1.0


def test_groups_are_made_up_users_real_ones_and_thirds_of_them() -> None:
    log, content = sides(users=60)
    found = several_interests(Evaluation(log, content, LOUD, Plan("last item"), lambda *_: None))["figures"]
    assert list(found) == ["users made of two", "real users", *(f"real users, {name}" for name in SPREADS)]
    for models in found.values():
        assert list(models) == list(ways(LOUD.scoring))
        assert "behind" in models["one interest"]
    thirds = [found[f"real users, {name}"]["one interest"]["asks"] for name in SPREADS]
    assert sum(thirds) == found["real users"]["one interest"]["asks"] == 60
    made = found["users made of two"]["several interests"]
    assert made["All@10"]["mean"] <= made["HR@10"]["mean"]
