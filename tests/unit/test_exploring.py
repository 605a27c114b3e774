"""Exploring: no more places than promised, for whom they are promised, with the probabilities of the draws."""

from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import ceil, floor, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penchant_core.exploring import HOUR, POOL, Exploring
from penchant_core.ports import Candidate, LittleKnown
from penchant_core.tuning import DAY, Covisitation, Scoring, Tuning

NOW = 1_700_000_000_000
SHARES = [Fraction(1, 10), Fraction(1, 7), Fraction(1, 4), Fraction(2, 5), Fraction(1, 2)]
SIGMAS = 4.5
"""Deviations allowed of a frequency: one in 150,000 is further off, and the seeds are always the same."""


def exploring(share: Fraction, seed: int = 0) -> Exploring:
    return Exploring(share, LittleKnown(5.0, POOL), seed.to_bytes(4, "little"))


def by_hand(share: Fraction, ranking: list[str], pool: list[str], shown: list[str], size: int) -> dict[str, Fraction]:
    """How likely every item is to be listed: all starts of the places and all draws, one by one."""
    ranking = [item for item in ranking if item not in shown][: max(0, size - len(shown))]
    head = ranking[: len(ranking) - ceil(share * len(ranking))]
    pool = [item for item in pool if item not in head and item not in shown]
    odds: dict[str, Fraction] = dict.fromkeys([*ranking, *pool], Fraction(0))
    for start in range(share.denominator):
        at = [
            floor(share * p + Fraction(start, share.denominator))
            for p in range(len(shown), len(shown) + len(ranking) + 1)
        ]
        draws = list(combinations(pool, min(at[-1] - at[0], len(pool))))
        for drawn in draws:
            rest = [item for item in ranking if item not in drawn]
            for item in [*drawn, *rest[: len(ranking) - len(drawn)]]:
                odds[item] += Fraction(1, share.denominator * len(draws))
    return odds


@st.composite
def cases(draw: st.DrawFn) -> tuple[Fraction, list[str], list[str], list[str], int]:
    ranking = [f"r{n}" for n in range(draw(st.integers(0, 9)))]
    others = [f"p{n}" for n in range(draw(st.integers(0, 4)))]
    pool = [item for item in [*ranking, *others] if draw(st.booleans())]
    shown = draw(st.lists(st.sampled_from([*ranking, *others, "gone"]), unique=True, max_size=4))
    return draw(st.sampled_from(SHARES)), ranking, pool, shown, draw(st.integers(1, 10))


@given(cases(), st.integers(0, 10**6))
def test_propensities_are_the_probabilities_of_all_draws_counted_by_hand(
    case: tuple[Fraction, list[str], list[str], list[str], int], seed: int
) -> None:
    share, ranking, pool, shown, size = case
    wanted = by_hand(share, ranking, pool, shown, size)
    places = exploring(share, seed).places(ranking, pool, shown, size)
    new = [place for place in places if place.item_id not in shown]
    assert sum(wanted.values()) == len(new) == min(max(0, size - len(shown)), len(set(ranking) - set(shown)))
    for place in new:
        assert place.propensity == pytest.approx(float(wanted[place.item_id]), abs=1e-12)
        assert 0.0 < place.propensity <= 1.0 + 1e-12
    again = [place for place in places if place.item_id in shown]
    assert [place.item_id for place in again] == [item for item in dict.fromkeys([*ranking, *pool]) if item in shown]
    assert all(place.propensity == 1.0 and not place.drawn for place in again)


@given(cases(), st.integers(0, 10**6))
def test_no_more_places_than_the_share_are_explored_and_the_others_keep_their_order(
    case: tuple[Fraction, list[str], list[str], list[str], int], seed: int
) -> None:
    share, ranking, pool, shown, size = case
    places = [p for p in exploring(share, seed).places(ranking, pool, shown, size) if p.item_id not in shown]
    assert len({place.item_id for place in places}) == len(places)
    drawn = [place.item_id for place in places if place.drawn]
    assert len(drawn) <= ceil(share * len(places))
    assert set(drawn) <= set(pool)
    ranked = [place.item_id for place in places if not place.drawn]
    assert ranked == [item for item in ranking if item in ranked]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("among_ranked", [0, 2])
def test_draws_come_as_often_as_their_propensities_say_and_on_every_place_alike(
    share: Fraction, among_ranked: int
) -> None:
    ranking = [f"r{n}" for n in range(10)]
    pool = [*ranking[10 - among_ranked :], *(f"p{n}" for n in range(6))]
    seeds = 4_000
    listed: Counter[str] = Counter()
    on_place: Counter[int] = Counter()
    odds: dict[str, float] = {}
    for seed in range(seeds):
        for number, (item, propensity, drawn) in enumerate(exploring(share, seed).places(ranking, pool, [], 10)):
            listed[item] += 1
            on_place[number] += drawn
            assert odds.setdefault(item, propensity) == propensity
    assert sum(odds.values()) == pytest.approx(10.0)
    for item, propensity in odds.items():
        assert abs(listed[item] / seeds - propensity) <= SIGMAS * sqrt(propensity * (1.0 - propensity) / seeds), item
    for number in range(10):
        assert abs(on_place[number] / seeds - share) <= SIGMAS * sqrt(share * (1 - share) / seeds), number


def test_what_is_explored_stays_while_the_client_shows_more_and_the_pool_changes() -> None:
    ranking, pool = [f"r{n}" for n in range(40)], [f"p{n}" for n in range(8)]
    for seed in range(50):
        one = exploring(Fraction(1, 10), seed)
        whole = [place.item_id for place in one.places(ranking, pool, [], 20)]
        assert one.places(ranking, pool, [], 20) == one.places(ranking, pool, [], 20)
        for shown in range(21):
            below = [place for place in one.places(ranking, pool, whole[:shown], 20) if place.propensity]
            assert [p.item_id for p in below][: 20 - shown] == whole[shown:], (seed, shown)
        drawn = [item for item in whole if item in pool]
        others = [item for item in pool if item not in drawn]
        assert [p.item_id for p in one.places(ranking, drawn + others[1:], [], 20)] == whole


def test_a_share_of_nothing_explores_nothing_and_everybody_has_draws_of_their_own_each_hour() -> None:
    assert Exploring.of(Tuning(), "u", NOW) is None
    tuning = Tuning(scoring=Scoring(explore=0.1))
    one = Exploring.of(tuning, "u", NOW)
    assert one is not None
    assert one.share == Fraction(1, 10)
    assert one.little_known == LittleKnown(5.0, POOL)
    assert one == Exploring.of(tuning, "u", NOW // HOUR * HOUR)
    assert one != Exploring.of(tuning, "v", NOW)
    assert one != Exploring.of(tuning, "u", NOW + HOUR)


def test_visits_that_age_are_compared_on_their_own_scale() -> None:
    aging = Covisitation(half_life_days=30.0)
    tuning = Tuning(covisitation=aging, scoring=Scoring(explore=0.1, explore_until=5.0))
    now, later = (Exploring.of(tuning, "u", at) for at in (NOW, NOW + 30 * DAY))
    assert now is not None
    assert later is not None
    assert later.little_known.visits == pytest.approx(2.0 * now.little_known.visits)


def test_the_pool_is_what_has_fewer_visits_best_first_and_at_most_so_many_are_drawn_from() -> None:
    one = exploring(Fraction(1, 2))
    found = [
        Candidate("a", 1.0, 0.0, visits=5.0),
        Candidate("b", 1.0, 0.0, visits=4.9),
        Candidate("c", 2.0, 0.0, visits=0.0),
    ]
    assert one.pool(found) == ["c", "b"]
    pool = [f"p{n:02}" for n in range(POOL + 10)]
    listed = {
        place.item_id
        for seed in range(300)
        for place in exploring(Fraction(1, 2), seed).places(["r0", "r1"], pool, [], 2)
    }
    assert listed - {"r0", "r1"} == set(pool[:POOL])
