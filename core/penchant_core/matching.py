"""Matching: which users go together, by what they turn to, by their words, and by whom they follow.

With x_u the unit vector of what a user turned to (``amount^p · idf^q`` per item), x̄ the mean of all users' x, e_u the
whole interest, F(u) the users tied to u by ``follow`` events of either side, n_k the number of ties of k, the score of
v for u is::

    score(u, v) = ⟨x_u, x_v⟩ − m · ⟨x̄, x_v⟩ + s · ⟨e_u, e_v⟩
                + β · [ Σ_{k ∈ F(u) ∩ F(v)} 1 / (n_k + κ)  +  w · Σ_{k ∈ F(u), l ∈ F(v), k–l} 1 / ((n_k + κ)(n_l + κ)) ]

It is the house's mixture with users as items: a tie is a pair's count, divided by the evidence n_k there is for its
source and κ pseudo-counts. At κ = 0 its first sum is resource allocation (Zhou, Lü, Zhang 2009); the second is the same
over one more step (local paths, Lü, Jin, Zhou 2009). The ties' part is a sum, so it grows with what is known of a user,
and taste speaks for those with few ties. m takes back what a taste shares with everybody's: hubs of taste are like all.

A service finds candidates in three searches: users' points have the whole interest as a dense vector, and x as a
sparse one; the ties of u's ties come with |F(u)| points read. The score is then a function of u's own point, those of
its ties, and those of the candidates: ``Matcher`` holds what is computed once for u. Whom u is tied to already is left
to the caller to hide.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from penchant_core.model import Event
from penchant_core.tuning import Weights, check_ranges, within
from penchant_core.vectors import Vector

FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class Matching:
    """The mixture of the score. Defaults were chosen on validation friendships of one network of listeners."""

    amount: float = within(0, 1, 0.5)
    """p: how much more of a thing tells; 0: whether there was any."""
    rarity: float = within(0, 2, 0.5)
    """q: how much more a thing of few users tells."""
    typical: float = within(0, 10, 3.0)
    """m: weight against what everybody turns to."""
    content: float = within(0, 10, 0.1)
    """s: weight of the cosine of whole interests."""
    ties: float = within(0, 100, 1.6)
    """β: weight of the ties."""
    evidence: float = within(0.1, 10_000, 10.0)
    """κ: pseudo-counts of ties."""
    further: float = within(0, 100, 6.0)
    """w: weight of a path of three ties beside one of two."""

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class Person:
    """A user as matching knows one; made from a ledger, a stored interest and the ties told so far."""

    taste: Mapping[str, float]
    """x: item id → part of the unit vector; empty where nothing is known."""
    interest: Vector | None = None
    """e: the whole interest, unit length, shape (dim,)."""
    ties: frozenset[str] = frozenset()
    """F: ids of users."""


def amounts_of(events: Iterable[Event], weights: Weights) -> dict[str, float]:
    """Return item id → added weights of what a ledger approves of. Follows are ties, not tastes."""
    amounts: dict[str, float] = {}
    for event in events:
        weight = weights.weigh(event.type, event.value)
        if event.item_id and weight > 0.0 and event.type != FOLLOW:
            amounts[event.item_id] = amounts.get(event.item_id, 0.0) + weight
    return amounts


def ties_of(events: Iterable[Event]) -> frozenset[str]:
    """Return whom a ledger follows: the item ids of its ``follow`` events, where users are told of as items."""
    return frozenset(event.item_id for event in events if event.type == FOLLOW and event.item_id)


def taste_of(
    amounts: Mapping[str, float], visitors: Mapping[str, float], users: int, matching: Matching
) -> dict[str, float]:
    """Return x from positive *amounts*, of *users* in all of whom so many are *visitors* of an item.

    An item that all have come to has idf 0, and nobody is known by it; one that none is known to have come to counts
    as that of a single user.
    """
    parts = {}
    for item, amount in amounts.items():
        idf = math.log(max(1.0, users / max(1.0, visitors.get(item, 1.0))))
        if part := amount**matching.amount * idf**matching.rarity:
            parts[item] = part
    length = math.sqrt(sum(part * part for part in parts.values()))
    return {item: part / length for item, part in parts.items()}


def typical_taste(tastes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return x̄, the mean of tastes: of everybody's, or of a sample drawn now and then."""
    sums: dict[str, float] = {}
    for taste in tastes:
        for item, part in taste.items():
            sums[item] = sums.get(item, 0.0) + part / len(tastes)
    return sums


class Matcher:
    """Scores other users for one."""

    def __init__(
        self,
        person: Person,
        tied: Mapping[str, Person],
        typical: Mapping[str, float],
        matching: Matching,
    ) -> None:
        """Take a user, the users tied to it by their ids, those that are there, and the typical taste x̄."""
        self._person = person
        self._matching = matching
        self._taste = {item: -matching.typical * part for item, part in typical.items()}
        for item, part in person.taste.items():
            self._taste[item] = self._taste.get(item, 0.0) + part
        self._reach: dict[str, float] = {}
        for friend in person.ties & tied.keys():
            share = self._share(len(tied[friend].ties))
            for other in tied[friend].ties:
                self._reach[other] = self._reach.get(other, 0.0) + share

    @property
    def reached(self) -> Mapping[str, float]:
        """User id → Σ 1 / (n_k + κ) over the ties k in between: candidates, the user itself among them."""
        return self._reach

    def score(self, other: str, person: Person, degrees: Mapping[str, int]) -> float:
        """Return the score of the user *other*; *degrees*, n of those that *person* is tied to (0 where missing)."""
        matching = self._matching
        taste = sum(self._taste.get(item, 0.0) * part for item, part in person.taste.items())
        content = 0.0
        if self._person.interest is not None and person.interest is not None:
            content = float(self._person.interest @ person.interest)
        two = self._reach.get(other, 0.0)
        three = sum(self._reach.get(tie, 0.0) * self._share(degrees.get(tie, 0)) for tie in person.ties)
        return taste + matching.content * content + matching.ties * (two + matching.further * three)

    def _share(self, degree: int) -> float:
        return 1.0 / (degree + self._matching.evidence)
