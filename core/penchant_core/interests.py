"""Interests: what a ledger says of a user's taste, as vectors that a store can search by.

The score of an item i for a user is linear in the signals k of the ledger::

    score(i) = Σ_k w_k · [ content_k · ⟨e_k, v_i⟩ + together_k · c_ki / visits_i^g ] + γ · ln(1 + visits_i)

so it is one dense product (Σ_k w_k content_k e_k) · v_i and one sparse product, and every part can be told apart again.
With n_k the evidence there is for the item of signal k and κ pseudo-counts, ``content_k = s · κ / (n_k + κ)`` and
``together_k = β / (n_k + κ)``: a source seen often speaks through its counts, a rare one through its words.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from penchant_core.counts import Counts
from penchant_core.covisitation import aged
from penchant_core.model import Event, Item
from penchant_core.sequence import SequenceModel
from penchant_core.together import Share
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Covisitation, Scoring, Tuning, Weights
from penchant_core.vectors import Matrix, Vector, unit
from penchant_core.voices import Source, Voice, voices_of


@dataclass(frozen=True, slots=True)
class Known:
    """An item as the catalogue holds it."""

    item: Item
    vector: Vector
    counts: Counts
    learned: Vector | None = None
    """Where a sequence model sees it, shape (width,); none where there is no model."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing of the ledger that speaks for (or against) items, and how loudly."""

    event: Event
    source: Source
    weight: float
    """w_k: the approving signals' weights add up to 1, the disapproving ones' to −1 or less in size."""
    content: float
    """content_k."""
    together: float
    """together_k; 0 for words and for disapproval."""
    interest: int
    """Which interest it belongs to, from 0; −1 for disapproval."""


@dataclass(frozen=True, slots=True)
class Interests:
    """A user's taste, ready to search by."""

    signals: tuple[Signal, ...]
    """Newest first."""
    vectors: Matrix
    """e_k, shape (signals, dim), unit rows."""
    content: Vector
    """Σ w_k · content_k · e_k, shape (dim,); disapproval included."""
    directions: tuple[Vector, ...]
    """The same for each interest alone, approval only, strongest interest first."""
    shares: tuple[float, ...]
    """Each interest's part of the approving weight; they add up to 1."""
    sources: Mapping[str, float]
    """Item → w_k · together_k."""
    popularity: float
    """γ on the scale of the counts."""
    learned: Vector | None = None
    """What a sequence model expects next, times its weight, shape (width,); none without one."""
    fitted: tuple[Share, ...] = ()
    """What weights between items are read by, newest first; nothing without them."""

    @property
    def empty(self) -> bool:
        """Tell whether nothing is known that speaks for any item."""
        return not self.shares


def interests_of(
    events: Iterable[Event],
    known: Mapping[str, Known],
    texts: Mapping[str, Vector],
    tuning: Tuning,
    now: int,
) -> Interests:
    """Return the interests behind a ledger's events; see ``interests_said``."""
    return interests_said(voices_of(events, tuning.scoring, tuning.weights), known, texts, tuning, now)


def vectors_of(
    voices: Iterable[Voice], known: Mapping[str, Known], texts: Mapping[str, Vector]
) -> tuple[list[Voice], Matrix]:
    """Return the voices that can be looked up, and their unit vectors, shape (voices, dim)."""
    found, rows = [], []
    for voice in voices:
        if voice.source is Source.ITEM and voice.key in known:
            rows.append(known[voice.key].vector)
        elif voice.source is Source.TEXT and voice.key in texts:
            rows.append(texts[voice.key])
        else:
            continue
        found.append(voice)
    return found, np.array(rows, np.float32) if rows else np.empty((0, 0), np.float32)


def whole_interest(voices: Iterable[Voice], known: Mapping[str, Known], texts: Mapping[str, Vector]) -> Vector | None:
    """Return the unit vector of all that is approved of, shape (dim,); none where nothing is."""
    found, vectors = vectors_of([voice for voice in voices if voice.weight > 0.0], known, texts)
    return unit(np.array([voice.weight for voice in found], np.float32) @ vectors) if found else None


def interests_said(
    voices: Iterable[Voice],
    known: Mapping[str, Known],
    texts: Mapping[str, Vector],
    tuning: Tuning,
    now: int,
    model: SequenceModel | None = None,
) -> Interests:
    """Return the interests that voices add up to.

    Voices whose item is not in *known* or whose words are not in *texts* are left out. *now* (milliseconds) matters
    only where counts age.
    """
    scoring, counted = tuning.scoring, tuning.covisitation
    voices, vectors = vectors_of(voices, known, texts)
    approval = sum(voice.weight for voice in voices if voice.weight > 0.0)
    total = sum(abs(voice.weight) for voice in voices)
    groups = _grouped([voice.weight for voice in voices], vectors, scoring)
    scale = aged(now, counted)
    signals = tuple(
        _signal(
            voice, voice.weight / (approval if voice.weight > 0.0 else total), group, known, scoring, counted, scale
        )
        for voice, group in zip(voices, groups, strict=True)
    )
    expected = None if model is None else expectation(voices, known, model, scoring)
    return _summed(signals, vectors, scoring.popularity, expected)


def expectation(
    voices: Sequence[Voice], known: Mapping[str, Known], model: SequenceModel, scoring: Scoring
) -> Vector | None:
    """Return what a model expects next of somebody who liked the items of *voices* (newest first), times its weight.

    Shape (width,); none where no item that the model sees is liked, or the model has no weight.
    """
    weight = model.about.weight * scoring.learned
    seen = [
        learned
        for voice in reversed(voices)
        if voice.source is Source.ITEM and voice.weight > 0.0 and (learned := known[voice.key].learned) is not None
    ]
    return model.state(np.stack(seen)) * np.float32(weight) if seen and weight else None


def _signal(
    voice: Voice,
    weight: float,
    interest: int,
    known: Mapping[str, Known],
    scoring: Scoring,
    counted: Covisitation,
    scale: float,
) -> Signal:
    if weight < 0.0:
        return Signal(voice.event, voice.source, weight, scoring.dislike, 0.0, interest)
    counts = known[voice.key].counts if voice.source is Source.ITEM else Counts()
    pairs = scoring.together if voice.source is Source.ITEM else 0.0
    if scoring.evidence > 0.0:
        # Counts stand on the landmark's scale: κ is brought there, and visits^g back from it.
        prior = scoring.evidence * scale
        content = scoring.content * prior / (counts.out + prior)
        together = pairs / (counts.out + prior) * scale**counted.popularity_exponent
    else:
        content = scoring.content
        together = pairs * max(counts.visits, scale) ** -scoring.source_exponent
        together *= scale ** (scoring.source_exponent + counted.popularity_exponent - 1.0)
    return Signal(voice.event, voice.source, weight, content, together, interest)


def _grouped(weights: Sequence[float], vectors: Matrix, scoring: Scoring) -> list[int]:
    """Give every approving signal an interest: the heaviest signal leads one, the like-minded join it."""
    groups = [-1] * len(weights)
    leaders: list[int] = []
    likeness = vectors @ vectors.T
    for k in sorted(range(len(weights)), key=lambda k: -weights[k]):
        if weights[k] <= 0.0:
            continue
        closest = max(range(len(leaders)), key=lambda g: float(likeness[k, leaders[g]]), default=-1)
        apart = closest < 0 or likeness[k, leaders[closest]] < scoring.apart
        if apart and len(leaders) < scoring.interests:
            closest = len(leaders)
            leaders.append(k)
        groups[k] = closest
    return groups


def _summed(signals: tuple[Signal, ...], vectors: Matrix, popularity: float, learned: Vector | None) -> Interests:
    weights = np.array([s.weight * s.content for s in signals], np.float32)
    count = 1 + max((s.interest for s in signals), default=-1)
    shares = [0.0] * count
    sources: dict[str, float] = {}
    for signal in signals:
        if signal.interest >= 0:
            shares[signal.interest] += signal.weight
        if signal.together:
            sources[signal.event.item_id] = sources.get(signal.event.item_id, 0.0) + signal.weight * signal.together
    of = np.array([s.interest for s in signals])
    order = sorted(range(count), key=lambda g: -shares[g])
    renumbered = {old: new for new, old in enumerate(order)}
    return Interests(
        signals=tuple(
            Signal(s.event, s.source, s.weight, s.content, s.together, renumbered.get(s.interest, -1)) for s in signals
        ),
        vectors=vectors,
        content=weights @ vectors,
        directions=tuple(weights[of == g] @ vectors[of == g] for g in order),
        shares=tuple(shares[g] for g in order),
        sources=sources,
        popularity=popularity,
        learned=learned,
    )


def of_item(known: Known, tuning: Tuning, now: int, trained: Trained = UNTRAINED) -> Interests:
    """Return the interests of somebody who liked this one item: the question behind "similar items"."""
    event = Event(event_id="", user_id="", type="like", occurred_at=now, item_id=known.item.item_id)
    plain = Tuning(Weights({"like": 1.0}), tuning.covisitation, tuning.scoring)
    voices = voices_of([event], plain.scoring, plain.weights)
    found = interests_said(voices, {known.item.item_id: known}, {}, plain, now, trained.sequence)
    return replace(found, fitted=trained.shares([event], plain))


def of_words(text: str, vector: Vector, tuning: Tuning, now: int) -> Interests:
    """Return the interests of somebody who said this: the question behind a search, cosine as score."""
    event = Event(event_id="", user_id="", type="search", occurred_at=now, text=text)
    found = interests_of([event], {}, {text: unit(vector)}, Tuning(Weights({"search": 1.0}), tuning.covisitation), now)
    scale = np.float32(1.0 / found.signals[0].content)
    signal = Signal(event, Source.TEXT, 1.0, 1.0, 0.0, 0)
    return Interests((signal,), found.vectors, found.content * scale, (found.content * scale,), (1.0,), {}, 0.0)
