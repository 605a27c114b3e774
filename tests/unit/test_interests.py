"""The score is linear: explanations add up to it, interests are told apart, disapproval is bounded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penchant_core.counts import Counts, changes_of, dimension
from penchant_core.covisitation import Flow
from penchant_core.explanation import Kind, explain
from penchant_core.interests import Interests, Known, interests_of
from penchant_core.model import Event, Item
from penchant_core.tuning import DAY, Covisitation, Scoring, Tuning, Weights
from penchant_core.vectors import Vector
from penchant_core.voices import Source, voices_of

from tests.unit.strategies import distinct_events

DIM = 8
TUNINGS = [
    Tuning(),
    Tuning(scoring=Scoring(popularity=0.1, half_life_days=20.0, recent=50, rank_decay=0.95, words=0.5)),
    Tuning(covisitation=Covisitation(half_life_days=40.0, popularity_exponent=0.3)),
    Tuning(scoring=Scoring(evidence=0.0, content=0.3, together=1.4, popularity=0.01)),
]


def vector(name: str) -> Vector:
    numbers = np.random.default_rng(dimension(name)).normal(size=DIM).astype(np.float32)
    return np.asarray(numbers / np.linalg.norm(numbers), np.float32)


def catalogue(seed: int, covisitation: Covisitation) -> dict[str, Known]:
    chance = np.random.default_rng(seed)
    names = [f"item-{n}" for n in range(40)]
    pairs = {
        (names[a], names[b]): float(w)
        for a, b, w in zip(*chance.integers(0, 40, (2, 300)), chance.random(300), strict=True)
    }
    flow = Flow(pairs, {name: float(chance.integers(1, 50)) for name in names})
    changes = changes_of(flow)
    return {
        name: Known(Item(name, name), vector(name), Counts().with_change(changes[name], covisitation)) for name in names
    }


def score(known: Known, interests: Interests, covisitation: Covisitation) -> float:
    """The score as a store computes it: one dense product, one sparse product."""
    dims, values = known.counts.as_sparse(covisitation)
    stored = dict(zip(dims, values, strict=True))
    sparse = sum(weight * stored.get(dimension(item), 0.0) for item, weight in interests.sources.items())
    return float(interests.content @ known.vector) + sparse + interests.popularity * stored.get(2, 0.0)


@given(distinct_events(1, 60), st.sampled_from(TUNINGS), st.integers(0, 10**6))
@settings(max_examples=60)
def test_an_explanation_adds_up_to_the_score(events: list[Event], tuning: Tuning, seed: int) -> None:
    known = catalogue(seed, tuning.covisitation)
    texts = {event.text: vector(event.text) for event in events if event.text}
    interests = interests_of(events, known, texts, tuning, now=1_790_000_000_000)
    for item in list(known.values())[:10]:
        reasons = explain(item, interests, tuning.covisitation)
        if len(interests.signals):
            expected = score(item, interests, tuning.covisitation)
            assert sum(reason.contribution for reason in reasons) == pytest.approx(expected, abs=1e-4)
        assert [abs(r.contribution) for r in reasons] == sorted((abs(r.contribution) for r in reasons), reverse=True)


@given(distinct_events(1, 60), st.randoms())
@settings(max_examples=40)
def test_interests_are_a_function_of_the_set(events: list[Event], chance: object) -> None:
    known = catalogue(1, Covisitation())
    texts = {event.text: vector(event.text) for event in events if event.text}
    one = interests_of(events, known, texts, Tuning(), now=0)
    other = interests_of(events[::-1], known, texts, Tuning(), now=0)
    assert one.signals == other.signals
    assert np.array_equal(one.content, other.content)
    assert one.shares == other.shares


@given(distinct_events(1, 60))
@settings(max_examples=40)
def test_shares_and_weights_add_up(events: list[Event]) -> None:
    texts = {event.text: vector(event.text) for event in events if event.text}
    interests = interests_of(events, catalogue(1, Covisitation()), texts, Tuning(), now=0)
    approving = [s.weight for s in interests.signals if s.weight > 0]
    if approving:
        assert sum(approving) == pytest.approx(1.0)
        assert sum(interests.shares) == pytest.approx(1.0)
        assert list(interests.shares) == sorted(interests.shares, reverse=True)
    assert sum(-s.weight for s in interests.signals if s.weight < 0) <= 1.0 + 1e-9
    total = interests.content + 0
    for direction in interests.directions:
        total = total - direction
    disliked = [
        s.weight * s.content * v for s, v in zip(interests.signals, interests.vectors, strict=True) if s.weight < 0
    ]
    expected = np.sum(disliked, axis=0) if disliked else 0.0
    assert np.allclose(total, expected, atol=1e-5), "directions and disapproval make up the content"


def test_things_far_apart_are_two_interests_and_like_things_one() -> None:
    axes = np.eye(DIM, dtype=np.float32)
    near = axes[0] + np.float32(0.3) * axes[1]
    vectors = {"baby-1": axes[0], "baby-2": near / np.linalg.norm(near), "bike": axes[2]}
    known = {name: Known(Item(name), v, Counts()) for name, v in vectors.items()}
    events = [
        Event("1", "u", "like", 1, "baby-1"),
        Event("2", "u", "like", 2, "baby-2"),
        Event("3", "u", "like", 3, "bike"),
    ]
    interests = interests_of(events, known, {}, Tuning(), now=3)
    assert len(interests.shares) == 2
    groups = {s.event.item_id: s.interest for s in interests.signals}
    assert groups["baby-1"] == groups["baby-2"] == 0, "0.7 + 0.49 outweighs 1"
    assert groups["bike"] == 1


def test_disapproval_never_pays_more_than_its_bound_and_never_enters_the_interests() -> None:
    known = {name: Known(Item(name), vector(name), Counts()) for name in ("liked", "hated")}
    tuning = Tuning(scoring=Scoring(dislike=0.03))
    liked = Event("0", "u", "like", 1000, "liked")
    hates = [Event(f"h{n}", "u", "hide", n, "hated") for n in range(20)]
    interests = interests_of([liked, *hates], known, {}, tuning, now=1000)
    reasons = explain(known["hated"], interests, tuning.covisitation)
    penalty = sum(r.contribution for r in reasons if r.kind is Kind.DISLIKED)
    assert -0.03 <= penalty < 0
    alone = interests_of([liked], known, {}, tuning, now=1000)
    assert np.allclose(interests.directions[0], alone.directions[0])


def test_the_newest_word_on_a_thing_decides_its_sign() -> None:
    known = {"x": Known(Item("x"), vector("x"), Counts())}
    bought, hidden = Event("1", "u", "purchase", 1, "x"), Event("2", "u", "hide", 2, "x")
    (signal,) = interests_of([bought, hidden], known, {}, Tuning(), now=2).signals
    assert signal.weight < 0
    (signal,) = interests_of([bought, hidden, Event("3", "u", "like", 3, "x")], known, {}, Tuning(), now=3).signals
    assert signal.weight > 0


@pytest.mark.parametrize(
    ("event_type", "item_id", "words", "speaks"),
    [
        ("review", "item-1", 0.0, None),
        ("review", "item-1", 0.25, 0.25),
        ("review", "", 0.0, 1.0),
        ("search", "", 0.0, 1.0),
        ("search", "item-1", 0.0, 1.0),
    ],
)
def test_what_is_searched_for_always_speaks_and_what_is_said_of_an_item_as_loudly_as_it_may(
    event_type: str, item_id: str, words: float, speaks: float | None
) -> None:
    event = Event("e", "u", event_type, 1, item_id, text="warm gloves")
    found = {voice.source: voice.weight for voice in voices_of([event], Scoring(words=words), Weights())}
    assert found.get(Source.TEXT) == speaks
    assert found.get(Source.ITEM) == (1.0 if item_id else None)


def test_an_opinion_of_an_item_does_not_silence_the_search_that_led_to_it() -> None:
    searched = Event("a", "u", "search", 1, "item-1", text="warm gloves")
    reviewed = Event("b", "u", "review", 2, "item-1", text="a little thin")
    spoken = [v.key for v in voices_of([searched, reviewed], Scoring(), Weights()) if v.source is Source.TEXT]
    assert spoken == ["warm gloves"]


def test_a_source_seen_often_speaks_through_its_counts() -> None:
    rare = Known(Item("rare"), vector("rare"), Counts())
    often = Known(Item("often"), vector("often"), Counts(out=160.0, visits=100.0))
    events = [Event("1", "u", "like", 1, "rare"), Event("2", "u", "like", 2, "often")]
    signals = {
        s.event.item_id: s for s in interests_of(events, {"rare": rare, "often": often}, {}, Tuning(), 2).signals
    }
    s, prior = Scoring().content, Scoring().evidence
    assert signals["rare"].content == pytest.approx(s)
    assert signals["often"].content == pytest.approx(s * prior / (prior + 160))
    assert signals["often"].together == pytest.approx(1 / (prior + 160))


def test_aged_counts_give_the_score_of_plain_counts_when_nothing_has_aged() -> None:
    now = 1_790_000_000_000
    for scoring in (Scoring(), Scoring(evidence=0.0, content=0.3)):
        plain, aging = Covisitation(), Covisitation(half_life_days=30.0)
        scale = 2.0 ** ((now - 1_767_225_600_000) / (30 * DAY))
        one, two = [
            (
                Known(Item("s"), vector("s"), Counts(out=5.0 * x, visits=4.0 * x)),
                Known(
                    Item("t"),
                    vector("t"),
                    Counts(np.array([dimension("s")], np.uint32), np.array([3.0 * x], np.float32), 2.0 * x, 7.0 * x),
                ),
                c,
            )
            for x, c in ((1.0, plain), (scale, aging))
        ]
        scores = [
            score(
                t,
                interests_of(
                    [Event("1", "u", "like", now, "s")], {"s": s}, {}, Tuning(covisitation=c, scoring=scoring), now
                ),
                c,
            )
            for s, t, c in (one, two)
        ]
        assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_things_done_at_one_moment_are_equally_recent() -> None:
    known = {name: Known(Item(name), vector(name), Counts()) for name in ("old", "line-1", "line-2", "new")}
    times = {"old": 1, "line-1": 5, "line-2": 5, "new": 9}
    events = [Event(name, "u", "purchase", time, name) for name, time in times.items()]
    weights = {s.event.item_id: s.weight for s in interests_of(events, known, {}, Tuning(), now=9).signals}
    assert weights["line-1"] == weights["line-2"] == pytest.approx(0.7 * weights["new"])
    assert weights["old"] == pytest.approx(0.49 * weights["new"])
