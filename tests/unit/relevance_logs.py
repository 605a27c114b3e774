"""Logs made up for tests, and stand-ins for what an encoder reads in them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from penchant_core.ledger import WINDOW
from penchant_core.model import Event, Item
from penchant_core.tuning import Tuning
from penchant_relevance.asks import Ask, Asks
from penchant_relevance.counting import Floats32
from penchant_relevance.log import Indices, Log, log_of
from penchant_relevance.scoring import Content

NOTHING: Indices = np.empty(0, np.int64)
TEXTS = ("good", "bad", "blue shoes", "a quiet novel", "something warm", "never again")


def did(user: int, item: int, time: int, kind: str = "purchase", value: float | None = None) -> Event:
    return Event("", f"u{user:02d}", kind, time, f"i{item}", value=value)


def said(user: int, text: str, time: int, kind: str = "search") -> Event:
    return Event("", f"u{user:02d}", kind, time, text=text)


def shop(n_items: int) -> list[Item]:
    return [Item(item_id=f"i{n}", title=f"thing {n}") for n in range(n_items)]


def bought(events: Sequence[tuple[int, int, int]], baskets: Sequence[int] | None = None) -> Log:
    """Return purchases of (user, item, time) over as many items as are named."""
    items = shop(max(item for _, item, _ in events) + 1)
    return log_of("bought", items, [did(*each) for each in events], None if baskets is None else np.array(baskets))


def random_purchases(seed: int = 5, n_events: int = 800) -> Log:
    """Return what 30 users bought of 25 items, one a millisecond."""
    random = np.random.default_rng(seed)
    return bought([(int(random.integers(0, 30)), int(random.integers(0, 25)), step) for step in range(n_events)])


def random_life(times: NDArray[np.int64], n_users: int, n_items: int, *, words: bool, seed: int = 7) -> Log:
    """Return ratings at *times* and, with *words*, searches, reviews, and words that disapprove, a third of each."""
    random = np.random.default_rng(seed)
    events = []
    for time in times.tolist():
        user, item = int(random.integers(0, n_users)), int(random.beta(0.7, 2.0) * n_items)
        stars, text = float(random.integers(1, 6)), str(random.choice(TEXTS))
        kind = int(random.integers(0, 4)) if words else 0
        if kind == 1:
            # The same words praise one thing and blame another.
            events.append(Event("", f"u{user:02d}", "review", time, f"i{item}", text, stars))
        elif kind:
            events.append(said(user, text, time, "search" if kind == 2 else "dislike"))
        else:
            events.append(did(user, item, time, "rate", stars))
    return log_of("life", shop(n_items), events)


def unit_rows(count: int, dim: int = 8, seed: int = 3) -> Floats32:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    unit: Floats32 = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def read(log: Log, items: Floats32 | None = None) -> Content:
    """Return vectors for a log's words: those of *items*, else random ones."""
    rows = unit_rows(len(log.items)) if items is None else items
    texts = unit_rows(len(log.texts), rows.shape[1], seed=4)
    return Content(rows, texts, log.index, {text: at for at, text in enumerate(log.texts)})


def everybody(log: Log, tuning: Tuning, now: int) -> list[Ask]:
    """Return an ask of every user, who is known with all events and turns to nothing."""
    asks = Asks(log, tuning.weights)
    return [
        Ask(
            user,
            steps,
            tuple(log.events[p] for p in steps[-WINDOW:]),
            log.item[asks.liked(steps)],
            NOTHING,
            NOTHING,
            now,
        )
        for user, steps in enumerate(log.sequences)
    ]


def asked_in(steps: Sequence[Ask | Indices]) -> list[Ask]:
    return [step for step in steps if isinstance(step, Ask)]
