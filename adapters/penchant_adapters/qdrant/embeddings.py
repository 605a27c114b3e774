"""Embeddings of a sequence model in the items' collection, given by whoever writes items, waited for by who reads.

Several processes write at once, and while a model is rolled out they have different ones. So the meta point has a mark
for every model, by the name of its vector::

    0     not every item has its embedding, or not yet
    1     every item has
    2     not every item has: one was described by a writer without the model
    name  the model of that vector has taken its place; it stays as it is, for servers that still read it

Whoever opens the store with a model fills until the mark is 1. The last writer that starts anew meets nobody any more
who could make it a 2.
"""

import structlog
from penchant_core.errors import Unavailable
from penchant_core.sequence import SequenceModel

from penchant_adapters.embeddings import PREFIX, dense_of, vector_name
from penchant_adapters.parts import CONTENT
from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import SLICE, Collection
from penchant_adapters.qdrant.items import THERE
from penchant_adapters.qdrant.protocol import Found, Operation, exactly, set_payload, unwritten, update_vectors

Mark = int | str
FILLING, WHOLE, MISSED = 0, 1, 2
FILLS = 3
"""Times that a start fills, while others describe items without the model."""
_log = structlog.get_logger()


async def settle(items: Collection, model: SequenceModel | None) -> None:
    """Give every item its embedding of *model*, unless all have; several processes may do so at once.

    Those of the model before stay; older ones are taken away.
    """
    if model is None:
        await miss(items, None)
        return
    name = vector_name(model)
    marks = await _marks(items)
    for other, mark in marks.items():
        if name in (other, mark):
            continue
        if isinstance(mark, int):
            await _mark(items, other, name)
        else:
            # Two models back: nobody reads it any more.
            await items.delete_vector(other)
            await _mark(items, other, None)
    if marks.get(name) == WHOLE:
        return
    await items.create_vector(name, model.width)
    for _ in range(FILLS):
        await _mark(items, name, FILLING)
        _log.info("embedding items", model=model.about.label)
        _log.info("embedded items", model=model.about.label, items=await _fill(items, model))
        await items.write([set_payload({name: WHOLE}, [META], exactly(name, FILLING))])
        if await whole(items, model):
            return
    _log.warning(
        "a consumer without this sequence_model describes items: start it again with the same, and then one more",
        model=model.about.label,
    )


async def _fill(items: Collection, model: SequenceModel) -> int:
    start: int | None = META + 1
    done = 0
    while start is not None:
        found, start = await items.page(start, SLICE, THERE, payload=("id", "rev"), vectors=(CONTENT,))
        await items.write(_embedding(found, model))
        done += len(found)
    return done


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


async def miss(items: Collection, model: SequenceModel | None) -> None:
    """Say of all other models that items are described without them."""
    name = vector_name(model)
    for other, mark in (await _marks(items)).items():
        if other != name and mark in (FILLING, WHOLE):
            await _mark(items, other, MISSED)


async def whole(items: Collection, model: SequenceModel) -> bool:
    """Tell whether every item has its embedding of *model*."""
    return (await _marks(items)).get(vector_name(model)) == WHOLE


async def _marks(items: Collection) -> dict[str, Mark]:
    (meta,) = await items.read([META])
    return {key: mark for key, mark in meta.payload.items() if key.startswith(PREFIX) and mark is not None}


async def _mark(items: Collection, name: str, mark: Mark | None) -> None:
    await items.write([set_payload({name: mark}, [META])])


async def refuse_unsettled(items: Collection, model: SequenceModel) -> None:
    """Raise ``Unavailable`` while items lack embeddings: a list of half the items would be worse than none."""
    if not await whole(items, model):
        raise Unavailable(
            f"not every item has its embedding of the model {model.about.label} yet; `penchant consume` with the same "
            "sequence_model gives them, or leave the setting empty"
        )
