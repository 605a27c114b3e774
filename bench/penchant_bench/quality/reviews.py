"""Reviews of musical instruments as a log: a set without titles, so items are described by what was said of them."""

import csv
import gzip
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from penchant_core.model import Event, Item
from penchant_core.text import normalise, shorten
from penchant_relevance.log import Log, log_of, moments
from penchant_relevance.plans import WINDOWS

FILE = "musical_instruments_5core_reviews.csv.gz"
TELLING = 30
"""Words that describe an item; chosen on validation among 12, 30, whole reviews, summaries, first sentences, the id."""
LEAST_ITEMS = 3
"""Items of whose reviews a word must be part: below it is a name or a slip."""
LONGEST = 2_000
"""Characters of a review that are read."""


def instrument_reviews(folder: Path) -> Log:
    """Return reviews with stars and words as events; what a user reviewed on one day is one order.

    Items are described by the telling words of the reviews before the first ask of any window: neither the review of
    a target nor any later one is part of them. An item that nobody had reviewed by then has only its id.
    """
    with gzip.open(folder / FILE, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    events = [
        Event(
            event_id="",
            user_id=row["reviewerID"],
            type="review",
            occurred_at=int(row["unixReviewTime"]) * 1000,
            item_id=row["asin"],
            text=shorten(normalise(f"{row['summary']}. {row['reviewText']}"), LONGEST),
            value=float(row["overall"]),
        )
        for row in rows
    ]
    until = np.quantile([event.occurred_at for event in events], WINDOWS["validation"][0])
    told = telling_words(event for event in events if event.occurred_at <= until)
    ids = dict.fromkeys(event.item_id for event in events)
    items = [Item(item_id=asin, title=asin, description=" ".join(told.get(asin, ()))) for asin in ids]
    return log_of("instrument_reviews", items, events, moments(events))


def telling_words(reviews: Iterable[Event]) -> Mapping[str, list[str]]:
    """Return by item the words by which its reviews differ from others', best first.

    A word counts by the reviews that have it, times ln(items / items of whose reviews it is part) (Spärck Jones 1972,
    "A statistical interpretation of term specificity"); of equal words the first by the alphabet.
    """
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for review in reviews:
        said[review.item_id].update(set(re.findall(r"[a-z]{3,}", review.text.lower())))
    spread = Counter(word for words in said.values() for word in words)
    rarity = {word: math.log(len(said) / items) for word, items in spread.items() if items >= LEAST_ITEMS}
    return {
        item: sorted(words.keys() & rarity.keys(), key=lambda word: (-words[word] * rarity[word], word))[:TELLING]
        for item, words in said.items()
    }
