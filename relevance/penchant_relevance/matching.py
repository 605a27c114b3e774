"""Whom to recommend to whom, over a whole network: the core's matching score in arrays, beside simple baselines.

``penchant_core.matching`` says what the score is; a test holds the two together.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from penchant_core.errors import InvalidSetting
from penchant_core.matching import Matching

from penchant_relevance.evaluation import OURS
from penchant_relevance.log import Indices
from penchant_relevance.measure import SHOWN, Measure, Outcome, best, figures
from penchant_relevance.metrics import SEED, ranks
from penchant_relevance.rows import products, unit_rows

Floats32 = NDArray[np.float32]

MEASURES = (Measure("Recall@10"), Measure("HR@10"))
PART = 0.2
"""Of all friendships held out."""
LEAST_FRIENDS = 5
"""Of users of whom one friend is held out."""
SHARED_WEIGHTS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Of the cosine of shared items beside common friends; one is chosen on the validation friendships."""
BLOCK = 512
"""Users scored at a time."""


@dataclass(frozen=True)
class Network:
    """Users with what they turned to, what its words say, and who is tied to whom."""

    amounts: sp.csr_matrix
    """How much of which item, shape (users, items), no negative ones."""
    vectors: Floats32
    """Of the items' words, shape (items, dim), unit rows."""
    ties: Indices
    """Friendships, each once: pairs of users, shape (ties, 2), the smaller number first."""

    @property
    def users(self) -> int:
        """Count."""
        return int(self.amounts.shape[0])


@dataclass(frozen=True)
class Held:
    """Friendships that models see, and those they are asked for."""

    seen: sp.csr_matrix
    """1 where two users are known to be tied, shape (users, users), symmetric."""
    targets: Mapping[int, Indices]
    """User → friends to be found."""
    kept: Indices
    """The friendships of ``seen``, shape (ties, 2)."""


Holding = Callable[[Indices, int, int], Held]
"""Holds friendships out: pairs, users, seed."""


def a_part(ties: Indices, users: int, seed: int) -> Held:
    """Hold out ``PART`` of all friendships; both sides are asked for the other."""
    order = np.random.default_rng(seed).permutation(len(ties))
    size = round(PART * len(ties))
    targets: dict[int, list[int]] = {}
    for one, other in ties[order[:size]].tolist():
        targets.setdefault(one, []).append(other)
        targets.setdefault(other, []).append(one)
    return _held(ties[order[size:]], users, targets)


def one_each(ties: Indices, users: int, seed: int) -> Held:
    """Hold out one friend of everybody who has ``LEAST_FRIENDS``; two may lose each other, nobody sees any of them."""
    random = np.random.default_rng(seed)
    matrix = _matrix(ties, users)
    targets = {
        user: [int(random.choice(matrix.indices[start:end]))]
        for user, (start, end) in enumerate(zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True))
        if end - start >= LEAST_FRIENDS
    }
    gone = {(min(user, friend), max(user, friend)) for user, (friend,) in targets.items()}
    return _held(np.array([tie for tie in ties.tolist() if tuple(tie) not in gone]), users, targets)


def _held(kept: Indices, users: int, targets: Mapping[int, list[int]]) -> Held:
    found = {user: np.array(friends) for user, friends in sorted(targets.items())}
    return Held(_matrix(kept, users), found, kept)


def _matrix(ties: Indices, users: int) -> sp.csr_matrix:
    pairs = ties.reshape(-1, 2)
    rows, columns = np.concatenate((pairs, pairs[:, ::-1])).T
    return sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(users, users))


PROTOCOLS: Mapping[str, Holding] = {
    f"{PART:.0%} of friendships": a_part,
    f"one friend of everybody with {LEAST_FRIENDS}": one_each,
}


class Matches(Protocol):
    """Scores users for users."""

    def scores(self, users: Indices) -> Floats32:
        """Return the score of everybody for these, shape (len(users), all users)."""


class Product:
    """Scores that are products of two matrices, summed: Σ left[u] · rightᵀ."""

    def __init__(self, *factors: tuple[Any, Any]) -> None:
        """Take pairs of matrices, shape (users, any) each, sparse or dense."""
        self._factors = factors

    def scores(self, users: Indices) -> Floats32:
        """Return the score of everybody for these, shape (len(users), all users)."""
        return np.asarray(sum(products(left[users], right) for left, right in self._factors), np.float32)


@dataclass(frozen=True)
class Mixed:
    """The score of ``penchant_core.matching`` and its parts."""

    network: Network
    seen: sp.csr_matrix
    matching: Matching

    @cached_property
    def taste(self) -> sp.csr_matrix:
        """Rows x_u, shape (users, items)."""
        visitors = np.maximum(1.0, np.asarray((self.network.amounts > 0).sum(axis=0)).ravel())
        parts = self.network.amounts.astype(np.float64)
        parts.eliminate_zeros()
        parts.data = parts.data**self.matching.amount
        return unit_rows(parts @ sp.diags(np.log(self.network.users / visitors) ** self.matching.rarity))

    def parts(self) -> dict[str, Matches]:
        """Return the whole score, and taste, words and ties alone."""
        mixing = self.matching
        taste, words = self._taste_factor(), self._interests()
        content = (mixing.content * words, words)
        ties = self._ties_factor()
        return {
            OURS: Product(taste, content, ties),
            "ties only": Product(ties),
            "taste only": Product(taste),
            "words only": Product((words, words)),
        }

    def _taste_factor(self) -> tuple[Any, Any]:
        # A column more carries −m · ⟨x̄, x_v⟩, which is the same for everybody who asks.
        typical = -self.matching.typical * (self.taste @ np.asarray(self.taste.mean(axis=0)).ravel())
        ones = sp.csr_matrix(np.ones((self.network.users, 1)))
        column = sp.csr_matrix(typical[:, None])
        return sp.hstack((self.taste, ones), "csr"), sp.hstack((self.taste, column), "csr")

    def _interests(self) -> Floats32:
        # The whole interest, weighed as x is: the data have no order for ranks of recency.
        whole = np.asarray(self.taste @ self.network.vectors, np.float32)
        return np.asarray(whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-9), np.float32)

    def _ties_factor(self) -> tuple[Any, Any]:
        mixing = self.matching
        share = sp.diags(1.0 / (np.asarray(self.seen.sum(axis=1)).ravel() + mixing.evidence))
        reach = (self.seen @ share @ self.seen).tocsr()
        onward = sp.identity(self.network.users, format="csr") + mixing.further * (self.seen @ share)
        return mixing.ties * reach, onward.tocsr()


def _baselines(network: Network, held: Held, weight: float) -> dict[str, Matches]:
    shared = (network.amounts > 0).astype(np.float64).tocsr()
    cosine = unit_rows(shared)
    degrees = np.asarray(held.seen.sum(axis=1))
    rare = sp.diags(1.0 / np.log(np.maximum(degrees.ravel(), 2.0)))
    return {
        "common friends + shared items": Product((held.seen, held.seen), (weight * cosine, cosine)),
        "Adamic–Adar": Product((held.seen @ rare, held.seen)),
        "common friends": Product((held.seen, held.seen)),
        "shared items": Product((shared, shared)),
        "most friends": Product((np.ones((network.users, 1)), degrees)),
    }


def evaluated(network: Network, matching: Matching, *, validation: bool = False) -> dict[str, dict[str, Any]]:
    """Return figures by protocol, model and measure; the weight of the mixed baseline is chosen on validation.

    *validation* asks for the friendships on which settings are chosen: held out of those the test leaves.
    Raises ``InvalidSetting`` where a protocol finds nobody to ask.
    """
    found = {}
    for name, hold in PROTOCOLS.items():
        test = hold(network.ties, network.users, SEED)
        inner = hold(test.kept, network.users, SEED + 1)
        held = inner if validation else test
        if not inner.targets or not held.targets:
            raise InvalidSetting(f"{name}: nobody is left to ask; give a network of more friends", field="data")
        weight = max(SHARED_WEIGHTS, key=lambda weight: _recall(network, inner, weight))
        models = Mixed(network, held.seen, matching).parts() | _baselines(network, held, weight)
        outcomes = {model: asked(matches, held) for model, matches in models.items()}
        found[name] = figures(outcomes, network.users, OURS)
        found[name]["common friends + shared items"]["weight"] = weight
    return found


def _recall(network: Network, held: Held, weight: float) -> float:
    outcome = asked(_baselines(network, held, weight)["common friends + shared items"], held)
    return float(np.mean([values[0] for values in outcome.values]))


def asked(model: Matches, held: Held) -> Outcome:
    """Ask for the friends of everybody in ``targets``: all users are in the running but oneself and known friends."""
    outcome = Outcome(MEASURES)
    for user, scores in _rows(model, held):
        scores[user] = -np.inf
        scores[held.seen.indices[held.seen.indptr[user] : held.seen.indptr[user + 1]]] = -np.inf
        found = ranks(scores, held.targets[user])
        outcome.users.append(user)
        outcome.values.append([measure.of(found) for measure in MEASURES])
        outcome.shown.update(best(scores, SHOWN))
    return outcome


def _rows(model: Matches, held: Held) -> Iterator[tuple[int, Floats32]]:
    users = np.array(list(held.targets))
    for start in range(0, len(users), BLOCK):
        block = users[start : start + BLOCK]
        yield from zip(block.tolist(), model.scores(block), strict=True)
