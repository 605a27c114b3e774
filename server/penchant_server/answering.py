"""Who answers: every list is made in one space, the one that is active when its making begins."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from penchant_core.ledger import Ledger
from penchant_core.pipeline import Library, Recommended, Recommender, Wish
from penchant_core.ports import Ledgers
from penchant_core.spaces import Space, Spaces
from penchant_core.tuning import Tuning

Hearing = Callable[[Ledger, Wish, Sequence[Recommended], float], None]
"""Is told of a list: made for whom, how wished for, what it is, and the seconds it took."""


class Answering:
    """Gives out recommenders."""

    def __init__(self, spaces: Spaces, users: Ledgers, tuning: Tuning, clock: Callable[[], int]) -> None:
        self._spaces = spaces
        self._users = users
        self._tuning = tuning
        self._clock = clock
        self.hearing: Hearing | None = None
        """Is told of every list of ``recommend``, when it is made."""

    @contextmanager
    def held(self) -> Iterator[Recommender]:
        """Give the recommender of the active space, which stays open until the block is left."""
        with self._spaces.held() as standing:
            yield self.of(standing.active)

    def of(self, space: Space) -> Recommender:
        """Return the recommender of a space."""
        library = Library(self._users, space.catalogue, space.retriever)
        return Recommender(library, space.encoder, self._tuning, self._clock, space.trained)

    async def recommend(self, user_id: str, wish: Wish) -> tuple[list[Recommended], str]:
        """Return what a user would like next, and the encoder that it was found by."""
        with self.held() as recommender:
            ledger = await recommender.ledger(user_id)
            began = time.perf_counter()
            listing = await recommender.recommend(ledger, wish)
            took = time.perf_counter() - began
        if self.hearing is not None:
            self.hearing(ledger, wish, listing, took)
        return listing, recommender.encoder_name
