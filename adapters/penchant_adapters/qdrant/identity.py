"""What a store says of itself: who made it and from which log. One point of the items' collection."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from penchant_core.errors import StoreMismatch
from penchant_core.log import Checkpoint, LogIdentity
from penchant_core.tuning import Covisitation

from penchant_adapters.payloads import GONE
from penchant_adapters.points import META
from penchant_adapters.qdrant.collection import Collection
from penchant_adapters.qdrant.protocol import Point, set_payload, upsert

LAYOUT = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """Who made a store."""

    store_id: str
    model: str
    dim: int
    layout: int
    covisitation: Mapping[str, Any]


async def made(items: Collection, model: str, dim: int, settings: Covisitation, store_id: str | None) -> None:
    """Write who makes the store; of several that make it at once one wins."""
    payload = {
        # The same word that hides removed items hides this point from lists.
        "status": GONE,
        "layout": LAYOUT,
        "model": model,
        "dim": dim,
        "covisitation": orjson.dumps(asdict(settings)).decode(),
        "store_id": store_id or uuid.uuid4().hex[:16],
    }
    await items.write([upsert([Point(META, {}, payload)], insert_only=True)])


async def identified(items: Collection) -> Identity | None:
    """Return who made the store; none where nobody has said so yet."""
    for record in await items.read([META]):
        found = record.payload
        if "store_id" in found:
            return Identity(
                store_id=str(found["store_id"]),
                model=str(found["model"]),
                dim=int(found["dim"]),
                layout=int(found["layout"]),
                covisitation=orjson.loads(found["covisitation"]),
            )
    return None


def agreed(found: Identity, settings: Covisitation, prefix: str) -> None:
    """Raise ``StoreMismatch`` where the store was made with something else than the service has."""
    for name, value in {"layout": LAYOUT, "covisitation": asdict(settings)}.items():
        there = getattr(found, name)
        if there != value:
            raise StoreMismatch(
                f"the store {prefix} was made with {name} = {there!r} and this service has {value!r}; "
                f"set {name} back, or choose another qdrant.prefix and learn again"
            )


class QdrantCheckpoints:
    """Keeps the promise of ``log.Checkpoints``: a key for every partition, so that its owners never meet."""

    def __init__(self, items: Collection) -> None:
        self._items = items

    async def log(self, topic: str) -> LogIdentity | None:
        """Return what is remembered of a topic; none where nothing was learnt from it."""
        (meta,) = await self._items.read([META])
        payload = meta.payload
        partitions = payload.get(f"log {topic}")
        if partitions is None:
            return None
        there = {p: payload[f"log {topic} {p}"] for p in range(int(partitions)) if f"log {topic} {p}" in payload}
        return LogIdentity(int(partitions), {p: Checkpoint(int(one[0]), int(one[1])) for p, one in there.items()})

    async def remember(self, topic: str, partitions: int, checkpoints: Mapping[int, Checkpoint]) -> None:
        """Remember how far some partitions of a topic were learnt."""
        payload: dict[str, Any] = {f"log {topic}": partitions}
        payload |= {f"log {topic} {p}": [one.offset, one.time] for p, one in checkpoints.items()}
        await self._items.write([set_payload(payload, [META])])
