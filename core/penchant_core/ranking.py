"""Ranking: from candidates to a list, by the score alone or with a fair part for every interest."""

from collections.abc import Sequence

import numpy as np

from penchant_core.ports import Candidate
from penchant_core.vectors import Matrix, Vector


def ranked(candidates: Sequence[Candidate], size: int) -> list[Candidate]:
    """Return the *size* best by score; ties by id, so that the same question has the same answer."""
    return sorted(candidates, key=lambda c: (-c.score, c.item_id))[:size]


def interests_served(vectors: Matrix, directions: Sequence[Vector]) -> list[int]:
    """Return for each row of *vectors*, shape (items, dim), the direction it has most of; 0 where there is none."""
    if len(directions) < 2:  # noqa: PLR2004 one interest leaves no choice
        return [0] * len(vectors)
    found: list[int] = np.argmax(vectors @ np.stack(directions).T, axis=1).tolist()
    return found


def balanced(
    candidates: Sequence[Candidate], interests: Sequence[int], shares: Sequence[float], size: int, balance: float
) -> list[Candidate]:
    """Return *size* candidates so that interests come up in proportion to their shares.

    Calibrated re-ranking (Steck 2018, "Calibrated Recommendations"), greedy: each place goes to the candidate with
    the most of ``(1 - balance) · score / best + balance · (share - part of the list already given)``.
    """
    left = sorted(zip(candidates, interests, strict=True), key=lambda c: (-c[0].score, c[0].item_id))
    best = max((abs(candidate.score) for candidate, _ in left), default=1.0) or 1.0
    chosen: list[Candidate] = []
    given = [0] * len(shares)
    while left and len(chosen) < size:
        # Within one interest the order is the score's, so only the first of each can be next.
        heads: dict[int, int] = {}
        for position, (_, interest) in enumerate(left):
            heads.setdefault(interest, position)
        turn = len(chosen) + 1
        worth = {
            position: (1 - balance) * left[position][0].score / best
            + balance * (shares[interest] - given[interest] / turn)
            for interest, position in heads.items()
        }
        candidate, interest = left.pop(max(worth, key=lambda position: (worth[position], -position)))
        given[interest] += 1
        chosen.append(candidate)
    return chosen
