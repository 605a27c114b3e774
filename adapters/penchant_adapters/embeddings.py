"""Embeddings of a sequence model beside the vectors of words, the same in every Qdrant engine.

An embedding is a function of an item's id and of the vector of its words, so the store makes it whenever it writes
these. It stands in a named vector of the model's version: two models are never mixed.
"""

from collections.abc import Sequence

import numpy as np
from penchant_core.errors import InvalidSetting
from penchant_core.sequence import SequenceModel
from penchant_core.vectors import Vector

from penchant_adapters.parts import CONTENT

PREFIX = "learned-"
"""Of the names of vectors that embeddings stand in."""


def vector_name(model: SequenceModel | None) -> str:
    """Return the name of the vector that a model's embeddings stand in; empty without a model."""
    return "" if model is None else f"{PREFIX}{model.about.version}"


def dense_names(model: SequenceModel | None) -> list[str]:
    """Return the names of the dense vectors that an item has."""
    return [CONTENT, *filter(None, [vector_name(model)])]


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


def dense_of(items: Sequence[tuple[str, Vector]], model: SequenceModel | None) -> list[dict[str, Vector]]:
    """Return the dense vectors of each item by name, from ids and the vectors of their words."""
    if model is None or not items:
        return [{CONTENT: vector} for _, vector in items]
    embeddings = model.embed([item_id for item_id, _ in items], np.stack([vector for _, vector in items]))
    name = vector_name(model)
    return [{CONTENT: vector, name: z} for (_, vector), z in zip(items, embeddings, strict=True)]
