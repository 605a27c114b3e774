"""Random events that collide often: few users, few items, few moments, ids that come back with other content."""

from random import Random

from hypothesis import strategies as st
from penchant_core.covisitation import LANDMARK
from penchant_core.model import Event
from penchant_core.tuning import DAY, TYPE_WEIGHTS

TYPES = st.sampled_from(sorted(TYPE_WEIGHTS))
ITEMS = st.sampled_from([""] + [f"item-{n}" for n in range(40)])


def events(ids: int = 400, moments: int = 500) -> st.SearchStrategy[Event]:
    """Events of one user."""
    return st.builds(
        Event,
        event_id=st.integers(0, ids).map(lambda n: f"e{n}"),
        user_id=st.just("u"),
        type=TYPES,
        occurred_at=st.integers(0, moments),
        item_id=ITEMS,
        text=st.sampled_from(["", "", "trail shoes", "香蕉"]),
        value=st.sampled_from([None, 0.5, 3.0, 5.0]),
    )


def distinct_events(least: int = 0, most: int = 60) -> st.SearchStrategy[list[Event]]:
    """Events of one user, every id once."""
    return st.lists(events(), min_size=least, max_size=most, unique_by=lambda event: event.event_id)


def many_events(seed: int, count: int) -> list[Event]:
    """So many events of a few weeks, chosen by a seed: long lists that Hypothesis would be slow to draw one by one."""
    chance = Random(seed)
    return [
        Event(
            event_id=f"e{chance.randrange(2 * count)}",
            user_id="u",
            type=chance.choice(sorted(TYPE_WEIGHTS)),
            occurred_at=LANDMARK + chance.randrange(3 * count) * DAY // 10,
            item_id=chance.choice(["", *(f"item-{n}" for n in range(40))]),
            value=chance.choice([None, 0.5, 3.0, 5.0]),
        )
        for _ in range(count)
    ]
