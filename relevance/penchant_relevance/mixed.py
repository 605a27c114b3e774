"""Users made of two who want unlike things, to see whether a list serves both."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from penchant_core.ledger import WINDOW
from penchant_core.model import Event
from penchant_core.tuning import Tuning
from penchant_core.voices import Source, Voice, voices_of

from penchant_relevance.asks import Ask, Asks, LastItem
from penchant_relevance.counting import Floats32
from penchant_relevance.log import Indices
from penchant_relevance.metrics import SEED
from penchant_relevance.scoring import Content

APART = 0.25
"""Of all pairs that are drawn, the part whose whole interests are most unlike."""
MOST = 1_000
"""Made-up users, where there are users enough; they share real ones where there are few."""
ROUNDS = 20
"""Times that everybody is drawn, at most."""
LEAST = 3
"""Items that each of two must have liked."""
MOMENT = 60_000
"""Milliseconds between two moments of a made-up user."""


class MixedUsers(Asks):
    """Asks of pairs of users for what both turn to next; all that others did is known.

    Their moments take turns, newest beside newest, so that neither is the older half of the other.
    """

    def __init__(self, asks: LastItem, content: Content, tuning: Tuning) -> None:
        self.log, self.weights = asks.log, asks.weights
        self._asks = asks
        self._pairs = list(_pairs(_asked(asks), content, tuning))

    def before(self) -> Indices:
        """Return the positions of the events that models may see before the first ask."""
        return self._asks.before()

    def steps(self) -> Iterator[Ask | Indices]:
        """Yield what models may see, then all asks."""
        yield self.before()
        yield from self._pairs

    def size(self) -> int:
        """Return the number of asks."""
        return len(self._pairs)


def _asked(asks: Asks) -> list[Ask]:
    return [step for step in asks.steps() if isinstance(step, Ask) and len(np.unique(step.items)) >= LEAST]


def _pairs(asks: Sequence[Ask], content: Content, tuning: Tuning) -> Iterator[Ask]:
    """Yield the mixed users: of pairs drawn at random those most apart, by the cosine of what each likes as a whole."""
    wholes = np.array([_whole(ask, content, tuning) for ask in asks])
    random = np.random.default_rng(SEED)
    drawn: set[tuple[int, int]] = set()
    for _ in range(ROUNDS):
        order = random.permutation(len(asks))[: int(2 * MOST / APART)].tolist()
        drawn |= {(min(two), max(two)) for two in zip(order[::2], order[1::2], strict=False)}
        if len(drawn) >= MOST / APART:
            break
    pairs = np.array(sorted(drawn)).reshape(-1, 2)
    if not len(pairs):
        return
    likeness = np.einsum("ij,ij->i", wholes[pairs[:, 0]], wholes[pairs[:, 1]])
    for one, other in pairs[likeness <= np.quantile(likeness, APART)].tolist():
        mixed = united(asks[one], asks[other])
        # What one of the two has met cannot be what the other turns to next.
        if not np.isin(mixed.targets, mixed.seen).any() and len(mixed.targets) > 1:
            yield mixed


def _whole(ask: Ask, content: Content, tuning: Tuning) -> Floats32:
    liked = [voice for voice in voices_of(ask.events, tuning.scoring, tuning.weights) if voice.weight > 0.0]
    found = sum((voice.weight * vector_of(voice, content) for voice in liked), np.zeros(content.items.shape[1]))
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12), np.float32)


def vector_of(voice: Voice, content: Content) -> Floats32:
    """Return the vector of what speaks, shape (dim,)."""
    rows, index = (
        (content.items, content.item_index) if voice.source is Source.ITEM else (content.texts, content.text_index)
    )
    found: Floats32 = rows[index[voice.key]]
    return found


def united(one: Ask, other: Ask) -> Ask:
    """Return the ask of a user who did what two did, each other moment of one and of the other, and turns to both."""
    now = max(one.now, other.now)
    events = sorted(
        (*_retimed(one.events, now), *_retimed(other.events, now - MOMENT)),
        key=lambda event: (event.occurred_at, event.event_id),
    )
    return Ask(
        user=one.user,
        past=np.concatenate((one.past, other.past)),
        events=tuple(events[-WINDOW:]),
        items=np.concatenate((one.items, other.items)),
        seen=np.concatenate((one.seen, other.seen)),
        targets=np.unique(np.concatenate((one.targets, other.targets))),
        now=now,
    )


def _retimed(events: Sequence[Event], now: int) -> Iterator[Event]:
    """Yield events whose moments, counted back from *now*, are two steps apart."""
    moments = sorted({event.occurred_at for event in events}, reverse=True)
    ranks = {moment: rank for rank, moment in enumerate(moments)}
    for event in events:
        yield replace(event, occurred_at=now - 2 * MOMENT * (ranks[event.occurred_at] + 1))
