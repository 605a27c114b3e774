"""Embeddings of a sequence model in the items' collection, given by whoever writes items, waited for by who reads."""

import structlog
from penchant_core.errors import Unavailable
from penchant_core.sequence import SequenceModel

from penchant_adapters.embeddings import dense_of, vector_name
from penchant_adapters.parts import CONTENT
from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import SLICE, Collection
from penchant_adapters.qdrant.items import THERE
from penchant_adapters.qdrant.protocol import Found, Operation, exactly, set_payload, unwritten, update_vectors

_KEY = "learned "
"""Keys of the meta point with this before the name of a vector say whether every item has an embedding there."""
_log = structlog.get_logger()


async def settle(items: Collection, model: SequenceModel | None) -> None:
    """Give every item its embedding of *model*, unless all have; several processes may do so at once.

    Those of the model before stay as they are, for servers that still read them; older ones are taken away.
    """
    name = vector_name(model)
    for other, mark in (await _marks(items)).items():
        if other == name:
            continue
        # From now on it is not given to items that change.
        await _mark(items, other, whole=False if mark or model is None else None)
        if not mark and model is not None:
            await items.delete_vector(other)
    if model is None or await whole(items, model):
        return
    await items.create_vector(name, model.width)
    await _mark(items, name, whole=False)
    _log.info("embedding items", model=model.about.label)
    start: int | None = META + 1
    done = 0
    while start is not None:
        found, start = await items.page(start, SLICE, THERE, payload=("id", "rev"), vectors=(CONTENT,))
        await items.write(_embedding(found, model))
        done += len(found)
    await _mark(items, name, whole=True)
    _log.info("embedded items", model=model.about.label, items=done)


def _embedding(found: list[Found], model: SequenceModel) -> list[Operation]:
    name = vector_name(model)
    described = [one for one in found if CONTENT in one.dense]
    dense = dense_of([(str(one.payload["id"]), one.dense[CONTENT]) for one in described], model)
    # An item that was described anew since it was read has its new embedding already: not to be undone.
    return [
        update_vectors(
            {one.point: {name: some[name]}},
            exactly("rev", int(one.payload["rev"])) if one.payload.get("rev") is not None else unwritten("rev"),
        )
        for one, some in zip(described, dense, strict=True)
    ]


async def whole(items: Collection, model: SequenceModel) -> bool:
    """Tell whether every item has its embedding of *model*."""
    return (await _marks(items)).get(vector_name(model)) is True


async def _marks(items: Collection) -> dict[str, bool]:
    (meta,) = await items.read([META])
    return {
        key.removeprefix(_KEY): bool(mark)
        for key, mark in meta.payload.items()
        if key.startswith(_KEY) and mark is not None
    }


async def _mark(items: Collection, name: str, *, whole: bool | None) -> None:
    await items.write([set_payload({f"{_KEY}{name}": None if whole is None else int(whole)}, [META])])


async def refuse_unsettled(items: Collection, model: SequenceModel) -> None:
    """Raise ``Unavailable`` while items lack embeddings: a list of half the items would be worse than none."""
    if not await whole(items, model):
        raise Unavailable(
            f"not every item has its embedding of the model {model.about.label} yet; `penchant consume` with the same "
            "sequence_model gives them, or leave the setting empty"
        )
