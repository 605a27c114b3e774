"""What trained models give items, in the items' collection: given by whoever writes items, waited for by who reads.

Several processes write at once, and while a model is rolled out they have different ones. So the meta point has a mark
for every model, by the name of its vector::

    0     not every item has what the model gives, or not yet
    1     every item has
    2     not every item has: one was described by a writer without the model
    name  the model of that vector has taken its place; it stays as it is, for servers that still read it

Whoever opens the store with a model fills until the mark is 1. The last writer that starts anew meets nobody any more
who could make it a 2.
"""

import structlog
from penchant_core.errors import Unavailable

from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import SLICE, Collection
from penchant_adapters.qdrant.items import THERE
from penchant_adapters.qdrant.protocol import Found, Operation, exactly, set_payload, unwritten, update_vectors
from penchant_adapters.trained import Given, GivenToItems, kind_of

Mark = int | str
FILLING, WHOLE, MISSED = 0, 1, 2
FILLS = 3
"""Times that a start fills, while others describe items without the model."""
_log = structlog.get_logger()


async def settle(items: Collection, given: GivenToItems) -> None:
    """Give every item what the models have for it, unless all have it; several processes may do so at once.

    What the model before gave stays; older ones' is taken away. Of a kind without a model all others are marked.
    """
    marks = await _marks(items)
    for other, mark in marks.items():
        if kind_of(other) not in given.names and mark in (FILLING, WHOLE):
            await _mark(items, other, MISSED)
    for each in given:
        await _replace(items, each, marks)
        if marks.get(each.name) != WHOLE:
            await _settle(items, each, given.content)


async def _replace(items: Collection, given: Given, marks: dict[str, Mark]) -> None:
    for other, mark in marks.items():
        if kind_of(other) != given.kind or given.name in (other, mark):
            continue
        if isinstance(mark, int):
            await _mark(items, other, given.name)
        else:
            # Two models back: nobody reads it any more.
            await items.delete_vector(other)
            await _mark(items, other, None)


async def _settle(items: Collection, given: Given, content: str) -> None:
    await items.create_vector(given.name, given.width)
    for _ in range(FILLS):
        await _mark(items, given.name, FILLING)
        _log.info("filling items", model=given.label)
        there, filled = await _fill(items, given, content)
        _log.info("filled items", model=given.label, items=filled, of=there)
        if there and not filled:
            _log.warning("the model knows none of the items", model=given.label, setting=given.setting)
        await items.write([set_payload({given.name: WHOLE}, [META], exactly(given.name, FILLING))])
        if await whole(items, given):
            return
    _log.warning(
        f"a consumer without this {given.setting} describes items: start it again with the same, and then one more",
        model=given.label,
    )


async def _fill(items: Collection, given: Given, content: str) -> tuple[int, int]:
    start: int | None = META + 1
    there = filled = 0
    while start is not None:
        found, start = await items.page(start, SLICE, THERE, payload=("id", "rev"), vectors=(content,))
        described = [one for one in found if content in one.dense]
        changes = _giving(described, given, content)
        await items.write(changes)
        there, filled = there + len(described), filled + len(changes)
    return there, filled


def _giving(described: list[Found], given: Given, content: str) -> list[Operation]:
    vectors = given.of([(str(one.payload["id"]), one.dense[content]) for one in described])
    # An item that was described anew since it was read has its new vector already: not to be undone.
    return [
        update_vectors(
            {one.point: {given.name: vector}},
            exactly("rev", int(one.payload["rev"])) if one.payload.get("rev") is not None else unwritten("rev"),
        )
        for one, vector in zip(described, vectors, strict=True)
        if vector is not None
    ]


async def miss(items: Collection, given: GivenToItems) -> None:
    """Say of all other models that items are described without them."""
    for other, mark in (await _marks(items)).items():
        if other not in given.names.values() and mark in (FILLING, WHOLE):
            await _mark(items, other, MISSED)


async def whole(items: Collection, given: Given) -> bool:
    """Tell whether every item has what a model gives."""
    return (await _marks(items)).get(given.name) == WHOLE


async def _marks(items: Collection) -> dict[str, Mark]:
    (meta,) = await items.read([META])
    return {key: mark for key, mark in meta.payload.items() if kind_of(key) and mark is not None}


async def _mark(items: Collection, name: str, mark: Mark | None) -> None:
    await items.write([set_payload({name: mark}, [META])])


async def refuse_unsettled(items: Collection, given: GivenToItems) -> None:
    """Raise ``Unavailable`` while items lack what a model gives: a list of half the items would be worse than none."""
    marks = await _marks(items)
    for each in given:
        if marks.get(each.name) != WHOLE:
            raise Unavailable(
                f"not every item has its {each.what} of the model {each.label} yet; `penchant consume` with "
                f"the same {each.setting} gives them, or leave the setting empty"
            )
