"""Chinese reviews of ten kinds of goods: whether words that no word list splits are told apart all the way through."""

import asyncio
import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from penchant.v1 import event_pb2
from penchant_adapters import contract
from penchant_adapters.settings import Settings
from penchant_core.errors import InvalidField, InvalidSetting
from penchant_core.model import Event
from penchant_core.tuning import Weights
from penchant_core.vectors import Matrix
from penchant_relevance import metrics
from penchant_relevance.encoding import encode_texts
from penchant_relevance.rows import unit_rows
from penchant_relevance.separation import Words, evaluated, gram_rows

from penchant_bench import figures
from penchant_bench.quality.study import Asking

NAME = "shopping_reviews_zh"
POOL = 10_000
"""Reviews that nobody said, at most."""
USERS, SAID = 40, 5
"""Made-up users of each category, and reviews that each said."""
BEGIN, STEP = 1_388_534_400, 86_400
"""Seconds: when users said their first review, and how much later each further one."""


@dataclass(frozen=True)
class Review:
    """A text and what it is about."""

    category: str
    text: str


def measure(folder: Path, asking: Asking) -> dict[str, Any]:
    """Return what is written of it; *folder* holds the archive. Raises ``InvalidSetting`` where it is missing."""
    tuning = Settings.read().tuning
    reviews, left_out = read(folder)
    drawn = split(reviews, metrics.SEED + 1 if asking.validation else metrics.SEED)
    names = sorted({review.category for review in reviews})
    pool, said = drawn.pool, [review for user in drawn.users for review in user]
    texts = [review.text for review in (*pool, *said)]
    vectors, model = asyncio.run(encode_texts((), texts, asking.encoder, asking.progress))
    found = evaluated(_words(drawn, names, vectors, tuning.weights), names, tuning)
    settings = {"data": NAME, "encoder": model, "tuning": asdict(tuning), "validation": asking.validation}
    settings |= {"seed": metrics.SEED, "resamples": metrics.RESAMPLES, "users": USERS, "said": SAID}
    settings["log"] = {"reviews": len(reviews), "left_out": left_out, "unsaid": len(pool), "users": len(drawn.users)}
    return figures.document(NAME, "quality", settings, found)


def read(folder: Path) -> tuple[list[Review], int]:
    """Return the reviews, each text once, in the form that the service keeps, and how many rows said nothing new."""
    path = folder / "online_shopping_10_cats.zip"
    if not path.is_file():
        raise InvalidSetting(f"{folder} has no {path.name}; put it there as its SOURCE.md says", field="data")
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
        rows = list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline="")))
    seen: dict[str, Review] = {}
    for row in rows:
        try:
            text = contract.words("event.text", row["review"])
        except InvalidField:
            continue
        seen.setdefault(text, Review(row["cat"], text))
    return list(seen.values()), len(rows) - len(seen)


@dataclass(frozen=True)
class Drawn:
    """Reviews that made-up users said, and others."""

    pool: Sequence[Review]
    users: Sequence[Sequence[Review]]
    """``SAID`` of one category each."""


def split(reviews: Sequence[Review], seed: int) -> Drawn:
    """Draw users first, half of a category's reviews at most, then the pool from what is left.

    Raises ``InvalidSetting`` where too little is left for lists of ten.
    """
    order = np.random.default_rng(seed).permutation(len(reviews))
    by_category: dict[str, list[Review]] = {}
    for position in order.tolist():
        by_category.setdefault(reviews[position].category, []).append(reviews[position])
    users = [
        of_one[SAID * user : SAID * (user + 1)]
        for _, of_one in sorted(by_category.items())
        for user in range(min(USERS, len(of_one) // (2 * SAID)))
    ]
    said = {review.text for user in users for review in user}
    # From the other end: the first reviews of a rare category are all said.
    pool = [review for position in order[::-1].tolist() if (review := reviews[position]).text not in said][:POOL]
    if not users or len(pool) <= 10:
        raise InvalidSetting(f"{len(reviews)} reviews are too few; give some ten of every category", field="data")
    return Drawn(pool, users)


def _words(drawn: Drawn, names: Sequence[str], vectors: Matrix, weights: Weights) -> Words:
    pool, number = drawn.pool, {name: position for position, name in enumerate(names)}
    said = [review for user in drawn.users for review in user]
    grams = gram_rows([review.text for review in (*pool, *said)])
    ends = np.repeat(np.arange(len(drawn.users)), [len(user) for user in drawn.users])
    added = sp.csr_matrix((np.ones(len(said)), (ends, np.arange(len(said)))), shape=(len(drawn.users), len(said)))
    return Words(
        pool=vectors[: len(pool)],
        categories=np.array([number[review.category] for review in pool]),
        grams=grams[: len(pool)],
        users=[_events(f"u{user}", reviews, weights) for user, reviews in enumerate(drawn.users)],
        said={review.text: vector for review, vector in zip(said, vectors[len(pool) :], strict=True)},
        of_user=np.array([number[user[0].category] for user in drawn.users]),
        user_grams=unit_rows(added @ grams[len(pool) :]),
    )


def _events(user: str, reviews: Sequence[Review], weights: Weights) -> list[Event]:
    """Return what a user said as events that went through the contract, as a producer's do."""
    events = []
    for step, review in enumerate(reviews):
        message = event_pb2.Event(event_id=f"{user}-{step}", user_id=user, type="review", text=review.text)
        message.occurred_at.seconds = BEGIN + STEP * step
        events.append(contract.event(message, weights, 1000 * (BEGIN + STEP * len(reviews))))
    return events
