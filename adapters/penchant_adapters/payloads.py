"""What stands in the payloads of users' and items' points, the same in every Qdrant engine."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import orjson
from penchant_core.covisitation import Flow
from penchant_core.ledger import Ledger
from penchant_core.model import Event, Item

# Why a point is in no list, a word because the engine never matches a boolean; the others have no status.
GONE, UNAVAILABLE = "gone", "unavailable"

DESCRIBED = ("id", "title", "description", "categories", "attributes", "status", "price")
"""All that an item has but its images: what is read for lists, a hundredth of the bytes."""


def ledger_payload(user_id: str, ledger: Ledger) -> dict[str, Any]:
    """Return the payload of a user's ledger; nothing is forgotten where ``forgotten`` is absent."""
    rows = [
        [e.event_id, e.type, e.occurred_at, e.item_id, e.text, e.value, e.surface, e.attribution, e.user_id]
        if e.user_id != user_id
        else [e.event_id, e.type, e.occurred_at, e.item_id, e.text, e.value, e.surface, e.attribution]
        for e in ledger.slots
    ]
    payload: dict[str, Any] = {"id": user_id, "ledger": orjson.dumps(rows).decode()}
    if ledger.forgotten:
        payload["forgotten"] = orjson.dumps(dict(ledger.forgotten)).decode()
    return payload


def ledger_of(user_id: str, payload: Mapping[str, Any]) -> Ledger:
    """Return the ledger of a user's payload, an empty one for none."""
    if not payload:
        return Ledger()
    slots = tuple(
        Event(
            event_id=row[0],
            user_id=row[8] if len(row) > 8 else user_id,  # noqa: PLR2004 the ninth is there when it differs
            type=row[1],
            occurred_at=row[2],
            item_id=row[3],
            text=row[4],
            value=row[5],
            surface=row[6],
            attribution=row[7],
        )
        for row in orjson.loads(payload["ledger"])
    )
    return Ledger(slots, orjson.loads(payload.get("forgotten", "{}")))


def flow_text(flow: Flow) -> str:
    """Return a flow as JSON text."""
    return orjson.dumps(flow_rows(flow)).decode()


def flow_rows(flow: Flow) -> list[Any]:
    """Return a flow as JSON has it."""
    return [[[source, target, weight] for (source, target), weight in flow.pairs.items()], dict(flow.visits)]


def flow_of(text: str) -> Flow:
    """Return the flow of a JSON text."""
    return flow_of_rows(orjson.loads(text))


def flow_of_rows(rows: Any) -> Flow:
    """Return the flow that ``flow_rows`` laid out."""
    pairs, visits = rows
    return Flow({(source, target): weight for source, target, weight in pairs}, visits)


def item_payload(item: Item) -> dict[str, Any]:
    """Return the payload of an item; what it does not have is absent."""
    payload: dict[str, Any] = {
        "id": item.item_id,
        "title": item.title,
        "description": item.description,
        "categories": list(item.categories),
        "attributes": dict(item.attributes),
    }
    if item.unavailable:
        payload["status"] = UNAVAILABLE
    if item.price is not None:
        payload["price"] = item.price
    if item.images:
        payload["images"] = [b64encode(image).decode() for image in item.images]
    return payload


def item_of(payload: Mapping[str, Any]) -> Item:
    """Return the item of a payload; without images where these were not read."""
    return Item(
        item_id=payload["id"],
        title=payload["title"],
        description=payload["description"],
        categories=tuple(payload["categories"]),
        price=payload.get("price"),
        unavailable=payload.get("status") == UNAVAILABLE,
        attributes=payload["attributes"],
        images=tuple(b64decode(image) for image in payload.get("images") or ()),
    )
