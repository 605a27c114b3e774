"""What trained models give every item, in a named vector each beside words and counts, the same in every Qdrant engine.

A sequence model gives an embedding, a function of an item's id and of the vector of its words; weights between items
are a function of its id. So the store makes them whenever it writes an item. A vector's name has the model's version:
two models are never mixed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import SequenceModel
from penchant_core.together import TogetherModel
from penchant_core.trained import Trained
from penchant_core.vectors import Vector

from penchant_adapters.parts import CONTENT, FITTED, LEARNED
from penchant_adapters.points import Sparse, Vectors
from penchant_adapters.sequences import read_sequence_model
from penchant_adapters.settings import Settings
from penchant_adapters.together import read_together_model


class Given(Protocol):
    """What one model gives every item."""

    @property
    def kind(self) -> str:
        """The part of the score that it is for."""

    @property
    def what(self) -> str:
        """What it gives, as people say it."""

    @property
    def label(self) -> str:
        """What people know the model by."""

    @property
    def setting(self) -> str:
        """What names its folder."""

    @property
    def width(self) -> int | None:
        """Numbers of its vector; none for a sparse one."""

    @property
    def name(self) -> str:
        """The vector's name."""

    def of(self, items: Sequence[tuple[str, Vector]]) -> Sequence[Vector | Sparse | None]:
        """Return the vector of each item, from ids and the vectors of their words; none where there is nothing."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Those of a sequence model."""

    model: SequenceModel
    kind: str = LEARNED
    what: str = "embedding"
    setting: str = "sequence_model"

    @property
    def label(self) -> str:
        """What people know the model by."""
        return self.model.about.label

    @property
    def width(self) -> int | None:
        """Numbers of an embedding."""
        return self.model.width

    @property
    def name(self) -> str:
        """The vector's name."""
        return named(self.kind, self.model.about.version)

    def of(self, items: Sequence[tuple[str, Vector]]) -> Sequence[Vector | Sparse | None]:
        """Return the embedding of each item."""
        if not items:
            return []
        return list(self.model.embed([item_id for item_id, _ in items], np.stack([vector for _, vector in items])))


@dataclass(frozen=True, slots=True)
class Pairs:
    """The weights between items that were fitted, of an item as a target."""

    model: TogetherModel
    kind: str = FITTED
    what: str = "weights"
    setting: str = "together_model"
    width: int | None = None

    @property
    def label(self) -> str:
        """What people know the model by."""
        return self.model.about.label

    @property
    def name(self) -> str:
        """The vector's name."""
        return named(self.kind, self.model.about.version)

    def of(self, items: Sequence[tuple[str, Vector]]) -> Sequence[Vector | Sparse | None]:
        """Return the weights of each item; none where fitting knew none."""
        rows = [self.model.of(item_id) for item_id, _ in items]
        return [Sparse(dims.tolist(), values.tolist()) if len(dims) else None for dims, values in rows]


KINDS = (LEARNED, FITTED)
"""Of what models give."""


def named(kind: str, version: str) -> str:
    """Return the name of the vector of a model."""
    return f"{kind}-{version}"


def kind_of(name: str) -> str:
    """Return the kind of a vector that a model gives; empty for any other name."""
    kind, _, version = name.partition("-")
    return kind if version and kind in KINDS else ""


class GivenToItems:
    """All that a service's models give items."""

    def __init__(self, trained: Trained, content: str = CONTENT) -> None:
        """*content*: the name of the vectors of words."""
        self._trained = trained
        self.content = content
        self._all: list[Given] = []
        if trained.sequence is not None:
            self._all.append(Embeddings(trained.sequence))
        if trained.together is not None:
            self._all.append(Pairs(trained.together))
        self.names: Mapping[str, str] = {each.kind: each.name for each in self._all}
        """Kind → name of the vector, of the models that there are."""
        self.learned = self.names.get(LEARNED, "")
        """The name of the vector of embeddings; empty without a sequence model."""
        self.described = [content, *self.names.values()]
        """Names of all vectors that come and go with an item's description."""
        self.read = [content, *filter(None, [self.learned])]
        """Names of those that are read to score with; weights between items stand in their model."""

    def without(self, kind: str) -> "GivenToItems":
        """Return what is given without one kind."""
        sequence = None if kind == LEARNED else self._trained.sequence
        together = None if kind == FITTED else self._trained.together
        return GivenToItems(Trained(sequence, together), self.content)

    def __iter__(self) -> Iterator[Given]:
        return iter(self._all)

    def vectors(self, items: Sequence[tuple[str, Vector]]) -> list[Vectors]:
        """Return the vectors of each item by name, its words' among them, from ids and the vectors of their words."""
        found: list[dict[str, Vector | Sparse]] = [{self.content: vector} for _, vector in items]
        for each in self._all:
            for vectors, one in zip(found, each.of(items), strict=True):
                if one is not None:
                    vectors[each.name] = one
        return list(found)


def read_trained(settings: Settings) -> Trained:
    """Return the models whose folders the settings name. Raises ``InvalidSetting`` where one is missing or damaged."""
    together = None if settings.together_model is None else read_together_model(settings.together_model)
    return Trained(read_sequence_model(settings.sequence_model), together)


def refuse_other(model: SequenceModel | None, encoder: str, dim: int) -> None:
    """Raise ``InvalidSetting`` where a model was learnt with other vectors of words than a store has."""
    if model is None:
        return
    if model.about.encoder != encoder:
        raise InvalidSetting(
            f"{model.about.label} was learnt with the encoder {model.about.encoder}, and here {encoder} reads words; "
            "train it again, or set encoder back",
            field="sequence_model",
        )
    if model.dim != dim:
        raise InvalidSetting(
            f"{model.about.label} reads vectors of {model.dim} numbers, and here they have {dim}; train it again",
            field="sequence_model",
        )
