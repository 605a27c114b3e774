"""A log that words could tell of, if one knew which of them belong together."""

import numpy as np
from penchant_core.model import Item
from penchant_relevance.log import Log, log_of

from tests.unit.relevance_logs import did

TOPICS, WORDS, ITEMS = 24, 10, 480
LEXICON = [f"w{topic}x{word}" for topic in range(TOPICS) for word in range(WORDS)]


def topics(users: int = 240, likes: int = 5) -> Log:
    """Every user likes things of one topic, each named by two of its words, and turns to new ones in the end.

    Of the new ones counts say nothing, and a model that was never trained sees no topics.
    """
    random = np.random.default_rng(11)
    shop = []
    for number in range(ITEMS):
        one, other = random.choice(WORDS, 2, replace=False)
        shop.append(Item(item_id=f"i{number}", title=f"w{number % TOPICS}x{one} w{number % TOPICS}x{other}"))
    known, new = (np.arange(first, first + ITEMS // 2).reshape(-1, TOPICS).T for first in (0, ITEMS // 2))
    events = []
    for user in range(users):
        topic = int(random.integers(TOPICS))
        liked = [*random.choice(known[topic], likes - 2, replace=False), *random.choice(new[topic], 2, replace=False)]
        events += [did(user, int(item), 1_000 * step + user) for step, item in enumerate(liked)]
    return log_of("topics", shop, events)
