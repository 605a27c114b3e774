"""Exploring: a bounded share of a list's places goes to items that few know yet, with exact propensities.

What nobody was shown nobody comes to, so items need places before they can earn them. Of a list of n places the share ε
goes to little-known ones of its candidates; the others keep their order.

* *Which places.* Systematic sampling (Madow 1949, "On the theory of systematic sampling, II"): with one number U, even
  between 0 and 1, place p is explored where ⌊ε(p+1) + U⌋ > ⌊εp + U⌋. So every place is explored with probability ε, any
  n places in a row hold ⌊εn⌋ or ⌈εn⌉ explored ones, εn on average, and a place is explored or not however long the list
  is and wherever a client's shown part ends.
* *Which items.* Every item has a random number of its own, and the least ones of the pool are drawn: a simple random
  sample in which an item that joins or leaves the pool moves no other (permanent random numbers; Ohlsson 1995,
  "Coordination of samples using permanent random numbers").

All random numbers are hashes of a seed, made of whoever asks and the hour. So a list does not flicker from one ask to
the next, and yet everybody's are drawn anew, and differently, every hour.

The **propensity** of an item is the probability, over the seed, that it stands in the list: its inclusion probability
(Horvitz and Thompson 1952, "A generalization of sampling without replacement from a finite universe"), computed, not
estimated. What comes of an item weighs 1 / propensity in an estimate of what would come of it if it were always listed
(inverse propensity scoring; Bottou et al. 2013, "Counterfactual reasoning and learning systems").

The pool is what is little known below the head of the ranking, the first n − ⌈εn⌉, which is listed whatever is drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from math import comb
from typing import NamedTuple

from penchant_core.covisitation import aged
from penchant_core.ports import Candidate, LittleKnown
from penchant_core.ranking import ranked
from penchant_core.tuning import Tuning

POOL = 50
"""Items drawn from at most: the best by score. More would have to be looked up, and be worth less."""
HOUR = 3_600_000
"""Milliseconds after which draws are made anew."""
_FINEST = 1_000_000
"""Greatest denominator of a share as a fraction: .1 is a tenth, where the float is a little more."""


class Place(NamedTuple):
    """An item on a place of a list."""

    item_id: str
    propensity: float
    """Above 0, at most 1."""
    drawn: bool = False
    """Whether it was drawn; else it stands there by its rank."""


@dataclass(frozen=True, slots=True)
class Exploring:
    """How a list is explored."""

    share: Fraction
    """ε, above 0, at most a half."""
    little_known: LittleKnown
    seed: bytes
    """At most 64 bytes; all draws follow from it."""

    @classmethod
    def of(cls, tuning: Tuning, who: str, now: int) -> "Exploring | None":
        """Return how lists of somebody are explored at *now* (milliseconds); none where the share is 0."""
        share = Fraction(tuning.scoring.explore).limit_denominator(_FINEST)
        if not share:
            return None
        # Visits stand on the landmark's scale.
        few = tuning.scoring.explore_until * aged(now, tuning.covisitation)
        seed = blake2b(f"{now // HOUR}\0{who}".encode(), digest_size=32).digest()
        return cls(share, LittleKnown(few, POOL), seed)

    def pool(self, found: Sequence[Candidate]) -> list[str]:
        """Return the little-known ones of all candidates, best first."""
        few = [one for one in found if one.visits is not None and one.visits < self.little_known.visits]
        return [one.item_id for one in ranked(few, len(few))]

    def places(self, ranking: Sequence[str], pool: Sequence[str], shown: Sequence[str], size: int) -> list[Place]:
        """Return the places of a list below those that were *shown* already, *size* with them.

        *ranking*: the items best first, *size* and as many more as were shown, or all there are; *pool*: the
        little-known ones of all candidates, best first, of which ``little_known.limit`` are drawn from. Propensities
        are given what was shown; that comes last, for sure, where it is in either: it has its place already.
        """
        kept, first = set(shown), len(shown)
        again = [Place(item, 1.0) for item in dict.fromkeys((*ranking, *pool)) if item in kept]
        ranking = [item for item in ranking if item not in kept][: max(0, size - first)]
        head = len(ranking) - -(-self.share.numerator * len(ranking) // self.share.denominator)
        sure = {*ranking[:head], *kept}
        pool = [item for item in pool if item not in sure][: self.little_known.limit]
        drawn, at = self._drawn(pool), self._explored(first, len(ranking))
        chosen = dict(zip(at, drawn, strict=False))
        odds = self._odds(ranking, head, pool)
        taken = set(chosen.values())
        others = iter([item for item in ranking if item not in taken])
        found = []
        for place in range(len(ranking)):
            item = chosen[place] if place in chosen else next(others)
            found.append(Place(item, odds[item], place in chosen))
        return found + again

    def _explored(self, first: int, count: int) -> list[int]:
        """Return which of *count* places from *first* on are explored, counted from there."""
        share, whole = self.share.numerator, self.share.denominator
        start = self._number(b"") % whole
        after = [(share * place + start) // whole for place in range(first, first + count + 1)]
        return [place for place in range(count) if after[place + 1] > after[place]]

    def _drawn(self, pool: Sequence[str]) -> list[str]:
        """Return the pool in the order in which it is drawn."""
        return sorted(pool, key=lambda item: (self._number(item.encode()), item))

    def _number(self, what: bytes) -> int:
        return int.from_bytes(blake2b(what, digest_size=8, key=self.seed).digest(), "little")

    def _odds(self, ranking: Sequence[str], head: int, pool: Sequence[str]) -> dict[str, float]:
        """Return the propensity of all that may be listed."""
        least, rest = divmod(self.share.numerator * len(ranking), self.share.denominator)
        often = rest / self.share.denominator
        # With so many places to draw for: how likely that is, how many are drawn, how many places are left to ranks.
        cases = [
            (weight, min(count, len(pool))) for weight, count in ((1.0 - often, least), (often, least + 1)) if weight
        ]
        pooled, before = set(pool), 0
        odds = dict.fromkeys(ranking[:head], 1.0)
        for rank, item in enumerate(ranking[head:]):
            odds[item] = 0.0
            for weight, draws in cases:
                needed = rank + 1 - (len(ranking) - head - draws)
                if item in pooled:
                    drawn = draws / len(pool)
                    # Not drawn, it comes by its rank if enough of those before it are drawn and make room.
                    by_rank = _at_least(needed, len(pool) - 1, draws, before) if draws < len(pool) else 0.0
                    odds[item] += weight * (drawn + (1.0 - drawn) * by_rank)
                else:
                    odds[item] += weight * _at_least(needed, len(pool), draws, before)
            before += item in pooled
        mean = sum(weight * draws for weight, draws in cases)
        return {item: mean / len(pool) for item in pool} | odds


def _at_least(needed: int, population: int, drawn: int, looked_at: int) -> float:
    """Return how likely it is that, of *drawn* of a *population*, at least *needed* are among those *looked_at*."""
    if needed <= 0:
        return 1.0
    if needed > min(drawn, looked_at):
        return 0.0
    hits = range(needed, min(drawn, looked_at) + 1)
    ways = sum(comb(looked_at, hit) * comb(population - looked_at, drawn - hit) for hit in hits)
    return ways / comb(population, drawn)
