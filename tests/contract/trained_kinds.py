"""What models give items, of each kind: how to make a model, what to ask for, and what the answer has to be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from penchant_adapters.trained import GivenToItems
from penchant_core.counts import Dimensions, Values
from penchant_core.model import Filter, Item
from penchant_core.pipeline import Stores
from penchant_core.ports import Query, Retriever
from penchant_core.sequence import SequenceModel
from penchant_core.together import TogetherModel, source
from penchant_core.trained import Trained
from penchant_core.vectors import Matrix, Vector, unit

from tests.contract.engines import DIM
from tests.sequence_models import model
from tests.together_models import drawn, together

COUNT = 40
MANY = 600
IDS = [f"item-{n}" for n in range(MANY)]
KNOWN = 500
"""Items that a model of weights knows; the others have none."""

Items = Sequence[tuple[Item, Vector]]


@dataclass(frozen=True)
class Kind:
    """One kind of model."""

    part: str
    make: Callable[[int], Trained]
    """From a seed."""
    watched: Callable[[Trained, Callable[[int], None]], Trained]
    """The same model, which tells for how many items it is asked, before it answers."""

    def name(self, trained: Trained) -> str:
        """Return the name of the vector that its model gives."""
        return GivenToItems(trained).names[self.part]

    def question(self, trained: Trained, depth: int = MANY) -> Query:
        """Ask by what the model gives, alone."""
        random = np.random.default_rng(7)
        if trained.sequence is not None:
            state = random.normal(size=trained.sequence.width).astype(np.float32)
            return Query(None, (), {}, 0.0, Filter(), depth, learned=state)
        return Query(None, (), {}, 0.0, Filter(), depth, fitted={i: float(random.normal()) for i in IDS[:KNOWN]})

    def scores(self, trained: Trained, items: Items) -> dict[str, float]:
        """Return the score of every item that the model gives something."""
        query = self.question(trained)
        if trained.sequence is not None:
            rows = trained.sequence.embed([item.item_id for item, _ in items], np.stack([words for _, words in items]))
            return {item.item_id: float(query.learned @ row) for (item, _), row in zip(items, rows, strict=True)}
        return weighted(trained.together, query, [item.item_id for item, _ in items])

    async def found(self, retriever: Retriever, trained: Trained) -> dict[str, float]:
        """Return the score of every item that the store has something for."""
        found = await retriever.candidates(self.question(trained))
        return {one.item_id: getattr(one, self.part) for one in found}

    async def agrees(self, stores: Stores, trained: Trained, items: Items) -> None:
        """Assert that every item has what the model gives it, and no other one has."""
        close(await self.found(stores.retriever, trained), self.scores(trained, items))


def close(found: dict[str, float], wanted: dict[str, float]) -> None:
    """Assert that scores are the same."""
    assert found.keys() == wanted.keys()
    for item_id, score in wanted.items():
        assert abs(found[item_id] - score) < 1e-5, item_id


def weighted(made: TogetherModel | None, query: Query, item_ids: Sequence[str]) -> dict[str, float]:
    """Return Σ u_k · B_ki of every item that the model knows."""
    assert made is not None
    asked = {source(item_id): weight for item_id, weight in query.fitted.items()}
    rows = {item_id: made.of(item_id) for item_id in item_ids}
    return {
        item_id: sum(asked.get(dim, 0.0) * value for dim, value in zip(dims.tolist(), values.tolist(), strict=True))
        for item_id, (dims, values) in rows.items()
        if len(dims)
    }


class _WatchedSequence(SequenceModel):
    tell: Callable[[int], None]

    def embed(self, item_ids: Sequence[str], words: Matrix) -> Matrix:
        self.tell(len(item_ids))
        return super().embed(item_ids, words)


class _WatchedTogether(TogetherModel):
    tell: Callable[[int], None]

    def of(self, item_id: str) -> tuple[Dimensions, Values]:
        self.tell(1)
        return super().of(item_id)


def _sequence(trained: Trained, tell: Callable[[int], None]) -> Trained:
    assert trained.sequence is not None
    made = _WatchedSequence(trained.sequence.about, trained.sequence.arrays)
    made.tell = tell
    return Trained(sequence=made)


def _together(trained: Trained, tell: Callable[[int], None]) -> Trained:
    assert trained.together is not None
    made = _WatchedTogether(trained.together.about, trained.together.arrays)
    made.tell = tell
    return Trained(together=made)


EMBEDDINGS = Kind("learned", lambda seed: Trained(sequence=model(seed=seed, width=8 * (1 + seed % 2))), _sequence)
WEIGHTS = Kind("fitted", lambda seed: Trained(together=together(drawn(IDS[:KNOWN], seed=seed, kept=60))), _together)
KINDS = [EMBEDDINGS, WEIGHTS]


def words(name: str) -> Vector:
    """Return the vector of some words."""
    return unit(np.random.default_rng(len(name) + ord(name[-1])).normal(size=DIM).astype(np.float32))


def thing(number: int, title: str = "title") -> tuple[Item, Vector]:
    """Return an item and the vector of its words."""
    return Item(f"item-{number}", title), words(f"{number}{title}")
