"""How far words tell categories apart: of single texts, and of the interests of users who said them.

A list is worth the part of its ten nearest texts that is of the right category, ``purity@10``. Users are made up: five
texts of one category each, said one after the other; two of them together are one of two categories.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from penchant_core.interests import interests_of, whole_interest
from penchant_core.model import Event
from penchant_core.tuning import Tuning
from penchant_core.vectors import Matrix, Vector, unit
from penchant_core.voices import voices_of

from penchant_relevance.evaluation import OURS
from penchant_relevance.log import Indices
from penchant_relevance.measure import Measure, Outcome, figures
from penchant_relevance.metrics import Floats
from penchant_relevance.rows import products, unit_rows

LIST = 10
LEAST_OF_TWO = 3
"""Of a list of ten, texts of each of two categories for both to be there."""
BLOCK = 512
"""Lists asked for at a time."""
PURITY = "purity@10"
ONE, TWO = (Measure(PURITY),), (Measure(PURITY), Measure("both@10"), Measure("apart@10"))


@dataclass(frozen=True)
class Words:
    """Events of users who say things, and texts that they have not said, with vectors and categories."""

    pool: Matrix
    """Of the unsaid texts, shape (texts, dim), unit rows."""
    categories: Indices
    """Of the unsaid texts, shape (texts,)."""
    grams: sp.csr_matrix
    """The unsaid texts as ``gram_rows``, shape (texts, grams)."""
    users: Sequence[Sequence[Event]]
    """What each said: events of words alone, oldest first."""
    said: Mapping[str, Vector]
    """Words → unit vector."""
    of_user: Indices
    """Category of each user, shape (users,)."""
    user_grams: sp.csr_matrix
    """What each said, added up, shape (users, grams)."""


def gram_rows(texts: Sequence[str], most: int = 2) -> sp.csr_matrix:
    """Return character n-grams of up to *most* as unit rows of ``(1 + ln tf) · idf``, shape (texts, grams)."""
    index: dict[str, int] = {}
    columns: list[int] = []
    ends = [0]
    for text in texts:
        for size in range(1, most + 1):
            columns.extend(index.setdefault(text[at : at + size], len(index)) for at in range(len(text) - size + 1))
        ends.append(len(columns))
    counts = sp.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(texts), len(index)))
    counts.sum_duplicates()
    seen = np.bincount(counts.indices, minlength=len(index))
    counts.data = 1.0 + np.log(counts.data)
    return unit_rows(counts @ sp.diags(np.log(len(texts) / np.maximum(seen, 1.0)) + 1.0))


def nearest(queries: Any, pool: Any, count: int = LIST, *, themselves: bool = False) -> Indices:
    """Return the *count* nearest rows of the pool, nearest first, shape (queries, count).

    *themselves*: the queries are the pool, and no row is near to itself.
    """
    found = np.empty((queries.shape[0], count), np.int64)
    for start in range(0, queries.shape[0], BLOCK):
        scores = products(queries[start : start + BLOCK], pool)
        rows = np.arange(len(scores))
        if themselves:
            scores[rows, start + rows] = -np.inf
        top = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        order = np.argsort(-scores[rows[:, None], top], axis=1, kind="stable")
        found[start : start + BLOCK] = top[rows[:, None], order]
    return found


def evaluated(words: Words, names: Sequence[str], tuning: Tuning) -> dict[str, dict[str, Any]]:
    """Return figures of texts, of users of one category and of two, by model and measure, with 95 % intervals.

    *names* are those of the categories, which slices are named by. There must be more than ten unsaid texts.
    """
    whole = np.array([_whole(said, words, tuning) for said in words.users])
    return {
        "texts": _of_texts(words, names),
        "users of one category": _of_users(words, whole, names),
        "users of two categories": _of_pairs(words, whole, tuning),
    }


def _whole(said: Sequence[Event], words: Words, tuning: Tuning) -> Vector:
    found = whole_interest(voices_of(said, tuning.scoring, tuning.weights), {}, words.said)
    return np.zeros(words.pool.shape[1], np.float32) if found is None else found


def _of_texts(words: Words, names: Sequence[str]) -> dict[str, Any]:
    def pure(rows: Any) -> Floats:
        return _purity(words.categories[nearest(rows, rows, themselves=True)], words.categories)

    others = np.bincount(words.categories, minlength=len(names))[words.categories].astype(np.float64) - 1.0
    values: dict[str, Floats] = {
        OURS: pure(words.pool),
        "character n-grams, TF-IDF": pure(words.grams),
        "drawn at random": others / (len(words.categories) - 1.0),
    }
    return _figures(values, words.categories, names)


def _of_users(words: Words, whole: Matrix, names: Sequence[str]) -> dict[str, Any]:
    newest = np.array([words.said[said[-1].text] for said in words.users])

    def pure(rows: Any, pool: Any) -> Floats:
        return _purity(words.categories[nearest(rows, pool)], words.of_user)

    values = {
        OURS: pure(whole, words.pool),
        "newest text alone": pure(newest, words.pool),
        "character n-grams, TF-IDF": pure(words.user_grams, words.grams),
        "drawn at random": np.bincount(words.categories, minlength=len(names))[words.of_user] / len(words.categories),
    }
    return _figures(values, words.of_user, names)


def _purity(found: Indices, wanted: Indices) -> Floats:
    return np.asarray((found == wanted[:, None]).mean(axis=1), np.float64)


def _figures(values: Mapping[str, Floats], categories: Indices, names: Sequence[str]) -> dict[str, Any]:
    outcomes = {}
    for model, column in values.items():
        outcomes[model] = Outcome(ONE, users=list(range(len(column))), values=column[:, None].tolist())
    found = _bare(figures(outcomes, 1, OURS))
    for category, name in enumerate(names):
        chosen = np.flatnonzero(categories == category)
        part = {model: Outcome(ONE, chosen.tolist(), column[chosen, None].tolist()) for model, column in values.items()}
        if len(chosen):
            for model, figure in figures(part, 1, OURS).items():
                found[model]["slices"][name] = {"asks": len(chosen), PURITY: figure[PURITY]}
    return found


def _bare(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return figures without what has no meaning here: nobody asks twice, and no list is of a catalogue."""
    return {
        model: {name: value for name, value in figure.items() if name not in ("users", "coverage@10")}
        for model, figure in found.items()
    }


def _of_pairs(words: Words, whole: Matrix, tuning: Tuning) -> dict[str, Any]:
    """Return figures of users who said what two said, in turns: each of their two strongest interests gives five."""
    outcomes = {name: Outcome(TWO) for name in (OURS, "whole interest", "categories known")}
    pairs = [(a, b) for a, b in pairwise(_dealt(words.of_user)) if words.of_user[a] != words.of_user[b]]
    for number, (one, other) in enumerate(pairs):
        both = _in_turns(words.users[one], words.users[other])
        found = interests_of(both, {}, words.said, tuning, both[-1].occurred_at)
        directions = {
            OURS: [unit(direction) for direction in found.directions[:2]],
            "whole interest": [_whole(both, words, tuning)],
            "categories known": [whole[one], whole[other]],
        }
        wanted = (int(words.of_user[one]), int(words.of_user[other]))
        for name, vectors in directions.items():
            outcomes[name].users.append(number)
            outcomes[name].values.append(_worth(np.array(vectors), words, wanted))
    return _bare(figures(outcomes, 1, OURS))


def _worth(directions: Matrix, words: Words, wanted: tuple[int, int]) -> list[float]:
    near = words.categories[nearest(directions, words.pool)]
    shown = near[:, : LIST // len(directions)].ravel()
    both = min((shown == category).sum() for category in wanted) >= LEAST_OF_TWO
    # What an interest points at: the commonest category of its ten.
    pointed = sorted(int(np.bincount(row).argmax()) for row in near)
    return [float(np.isin(shown, wanted).mean()), float(both), float(pointed == sorted(wanted))]


def _dealt(categories: Indices) -> list[int]:
    """Return users so that neighbours are of different categories as often as there are others."""
    rank = np.zeros(len(categories), np.int64)
    for category in np.unique(categories):
        chosen = np.flatnonzero(categories == category)
        rank[chosen] = np.arange(len(chosen))
    order = np.lexsort(((categories + rank) % (1 + int(categories.max(initial=0))), rank))
    return [int(user) for user in order]


def _in_turns(one: Sequence[Event], other: Sequence[Event]) -> list[Event]:
    return sorted((*one, *other), key=lambda event: (event.occurred_at, event.user_id))
