"""Users are matched by taste, words and ties; a network is scored as the core does; nothing held out is seen."""

import numpy as np
import pytest
import scipy.sparse as sp
from penchant_core.errors import InvalidSetting
from penchant_core.matching import Matcher, Matching, Person, amounts_of, taste_of, ties_of, typical_taste
from penchant_core.model import Event
from penchant_core.tuning import Weights
from penchant_core.vectors import unit
from penchant_relevance.evaluation import OURS
from penchant_relevance.log import Indices
from penchant_relevance.matching import PROTOCOLS, Floats32, Held, Mixed, Network, asked, evaluated

USERS, ITEMS, DIM, CIRCLES = 60, 40, 8, 4


def network(seed: int = 3) -> Network:
    """Return four circles of friends, each with a shelf of its own."""
    random = np.random.default_rng(seed)
    amounts = np.zeros((USERS, ITEMS))
    pairs = set()
    for user in range(USERS):
        own = np.arange(ITEMS) % CIRCLES == user % CIRCLES
        amounts[user] = random.integers(1, 50, ITEMS) * (random.random(ITEMS) < np.where(own, 0.6, 0.1))
        for other in random.choice(USERS, 12, replace=False).tolist():
            if other % CIRCLES == user % CIRCLES and other != user:
                pairs.add((min(user, other), max(user, other)))
    vectors = np.array([unit(row) for row in random.normal(size=(ITEMS, DIM)).astype(np.float32)])
    return Network(sp.csr_matrix(amounts), vectors, np.array(sorted(pairs)))


def people(of: Network, seen: sp.csr_matrix, matching: Matching) -> dict[str, Person]:
    amounts = of.amounts.toarray()
    visitors = {str(item): float(count) for item, count in enumerate((amounts > 0).sum(axis=0))}
    found = {}
    for user in range(of.users):
        own = {str(item): float(amount) for item, amount in enumerate(amounts[user]) if amount}
        taste = taste_of(own, visitors, of.users, matching)
        interest = unit(sum((part * of.vectors[int(item)] for item, part in taste.items()), np.zeros(DIM, np.float32)))
        found[str(user)] = Person(taste, interest, frozenset(map(str, seen[user].indices.tolist())))
    return found


def test_the_score_over_a_network_is_that_of_the_core() -> None:
    of, matching = network(), Matching(content=0.7)
    held = next(iter(PROTOCOLS.values()))(of.ties, of.users, 1)
    known = people(of, held.seen, matching)
    degrees = {user: len(person.ties) for user, person in known.items()}
    typical = typical_taste([person.taste for person in known.values()])
    scores = Mixed(of, held.seen, matching).parts()[OURS].scores(np.arange(of.users))
    for user, person in known.items():
        matcher = Matcher(person, {tie: known[tie] for tie in person.ties}, typical, matching)
        own = [matcher.score(other, known[other], degrees) for other in known]
        np.testing.assert_allclose(own, scores[int(user)], rtol=1e-4, atol=1e-5)


def test_a_common_friend_of_few_ties_tells_more_than_one_of_many() -> None:
    few, many = Person({}, ties=frozenset("ua")), Person({}, ties=frozenset("ubcdefg"))
    person = Person({}, ties=frozenset({"few", "many"}))
    matcher = Matcher(person, {"few": few, "many": many}, {}, Matching(further=0.0))
    nobody = Person({})
    assert matcher.score("a", nobody, {}) > matcher.score("b", nobody, {}) > matcher.score("z", nobody, {}) == 0.0
    assert set(matcher.reached) == set("uabcdefg")


def test_three_ties_in_a_row_reach_further() -> None:
    person, friend = Person({}, ties=frozenset({"k"})), Person({}, ties=frozenset("ul"))
    other = Person({}, ties=frozenset("l"))
    matcher = Matcher(person, {"k": friend}, {}, Matching(evidence=2.0, ties=1.0, further=3.0))
    assert matcher.score("v", other, {"l": 2}) == pytest.approx(3.0 / 4.0 / 4.0)


def test_what_everybody_turns_to_tells_nothing_and_what_few_do_tells_more() -> None:
    taste = taste_of({"all": 100.0, "rare": 1.0, "common": 1.0}, {"all": 9, "rare": 1, "common": 6}, 9, Matching())
    assert set(taste) == {"rare", "common"}
    assert taste["rare"] > taste["common"]
    assert sum(part * part for part in taste.values()) == pytest.approx(1.0)
    assert taste_of({}, {}, 9, Matching()) == {}


def test_a_ledger_tells_tastes_and_ties_apart() -> None:
    def event(number: int, kind: str, item: str, value: float | None = None) -> Event:
        return Event(event_id=str(number), user_id="u", type=kind, occurred_at=number, item_id=item, value=value)

    ledger = [event(1, "follow", "mei"), event(2, "view", "song"), event(3, "view", "song"), event(4, "hide", "noise")]
    assert ties_of(ledger) == {"mei"}
    assert amounts_of(ledger, Weights()) == {"song": 1.0}


def test_numbers_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(InvalidSetting, match=r"not within 0\.1 and") as caught:
        Matching(evidence=0.0)
    assert caught.value.field == "evidence"
    with pytest.raises(InvalidSetting):
        Matching(ties=float("nan"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_held_out_is_not_seen_from_either_side(protocol: str) -> None:
    of = network()
    held: Held = PROTOCOLS[protocol](of.ties, of.users, 1)
    everything = {tuple(tie) for tie in of.ties.tolist()}
    gone = {(min(u, v), max(u, v)) for u, friends in held.targets.items() for v in friends.tolist()}
    kept = {tuple(tie) for tie in held.kept.tolist()}
    assert kept | gone == everything
    assert not kept & gone
    assert all(held.seen[u, v] == held.seen[v, u] == 0 for u, v in gone)
    assert held.seen.sum() == 2 * len(kept)


def test_circles_of_friends_are_found_better_than_by_how_many_friends_one_has() -> None:
    found = evaluated(network(), Matching())
    assert list(found) == list(PROTOCOLS)
    for models in found.values():
        assert models["most friends"]["behind"]["Recall@10"]["low"] > 0.1
        assert models[OURS]["Recall@10"]["mean"] > 0.5
        assert models[OURS]["HR@10"]["mean"] >= models[OURS]["Recall@10"]["mean"]


class Tenth:
    """Likes oneself best, then known friends, then nine strangers, then the friend that is to be found."""

    def __init__(self, held: Held) -> None:
        self.held = held

    def scores(self, users: Indices) -> Floats32:
        found = np.zeros((len(users), USERS), np.float32)
        for row, user in zip(found, users.tolist(), strict=True):
            row[self.held.targets[user]] = 0.5
            row[self.held.seen[user].indices] = 2.0
            row[user] = 3.0
            row[np.flatnonzero(row == 0.0)[:9]] = 1.0
        return found


def test_no_list_holds_oneself_or_a_known_friend() -> None:
    of = network()
    held = PROTOCOLS["one friend of everybody with 5"](of.ties, of.users, 1)
    outcome = asked(Tenth(held), held)
    assert len(outcome.values) > 10
    assert {values[0] for values in outcome.values} == {1.0}


def test_a_network_without_enough_friends_says_so() -> None:
    lonely = Network(network().amounts, network().vectors, np.array([[0, 1]]))
    with pytest.raises(InvalidSetting, match="nobody is left to ask"):
        evaluated(lonely, Matching())
