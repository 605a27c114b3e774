"""The driver of the Python client: lines of JSON in, lines of JSON out, as README.md beside it says."""

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from penchant import Event, Item, PenchantError, Tls, aio, results
from penchant.v1 import recommendation_pb2

from tests.conformance.python_measures import MEASURED

Answer = dict[str, Any]


def error_of(error: PenchantError) -> Answer:
    """Return an error as drivers tell it."""
    return {
        "kind": type(error).__name__,
        "reason": error.reason,
        "field": error.field,
        "message": error.message,
        "retry_after": None if error.retry_after is None else error.retry_after * 1000,
    }


def event_of(told: Mapping[str, Any]) -> Event:
    """Return an event as the client takes it."""
    given = dict(told)
    if "occurred_at" in given:
        given["occurred_at"] = datetime.fromtimestamp(given["occurred_at"] / 1000, UTC)
    return Event(**given)


def item_of(told: Mapping[str, Any]) -> Item:
    """Return an item as the client takes it."""
    images = tuple(base64.b64decode(image) for image in told.get("images", ()))
    return Item(**{**told, "categories": tuple(told.get("categories", ())), "images": images})


def list_of(found: Sequence[results.Recommendation]) -> Answer:
    """Return a list as drivers tell it."""
    return {
        "order": [one.item_id for one in found],
        "list": [
            {
                "item_id": one.item_id,
                "score": one.score,
                **({} if one.item is None else {"title": one.item.title}),
                "reasons": [{"kind": str(each.kind), "contribution": each.contribution} for each in one.reasons],
            }
            for one in found
        ],
    }


def acknowledged(answers: Sequence[results.Acknowledged]) -> Answer:
    """Return acknowledgements as drivers tell them."""
    return {
        "acknowledged": [
            {
                "ordinal": one.ordinal,
                "event_id": one.event_id,
                "unchanged": one.unchanged,
                "error": None if one.error is None else error_of(one.error),
            }
            for one in answers
        ],
        "freshness_token": next((one.freshness_token for one in reversed(answers) if one.freshness_token), ""),
    }


class Opened:
    """A stream that is read, and what was read of it and not asked for; a lazy one is read when it is asked."""

    def __init__(self, stream: Any, *, lazy: bool) -> None:
        self.stream = stream
        self._lazy = lazy
        self._updates: asyncio.Queue[results.Update | BaseException] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read_one() if lazy else self._read_all())

    async def next(self, seconds: float) -> results.Update:
        """Return the next update; raises NoUpdate when none comes in time, or what ended the stream."""
        if self._lazy and self._reading.done() and self._updates.empty():
            self._reading = asyncio.create_task(self._read_one())
        try:
            async with asyncio.timeout(seconds):
                found = await self._updates.get()
        except TimeoutError:
            raise NoUpdate from None
        return returned(found)

    async def latest(self) -> results.Update:
        """Return the newest update that was read."""
        if self._updates.empty():
            raise NoUpdate
        while self._updates.qsize() > 1:
            self._updates.get_nowait()
        return returned(self._updates.get_nowait())

    async def close(self) -> None:
        """Leave it."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading
        if isinstance(self.stream, aio.Stream):
            await self.stream.__aexit__(None, None, None)
        else:
            await self.stream.aclose()

    async def _read_all(self) -> None:
        while await self._read_one():
            pass

    async def _read_one(self) -> bool:
        try:
            self._updates.put_nowait(await anext(self.stream))
        except StopAsyncIteration:
            self._updates.put_nowait(EOFError("the stream ended"))
        except PenchantError as error:
            self._updates.put_nowait(error)
        else:
            return True
        return False


def returned(found: results.Update | BaseException) -> results.Update:
    """Return an update, or raise what ended the stream."""
    if isinstance(found, BaseException):
        raise found
    return found


@dataclass
class Driver:
    """What it holds open."""

    clients: dict[str, aio.Client] = field(default_factory=dict)
    recorders: dict[str, aio.Recorder] = field(default_factory=dict)
    streams: dict[str, Opened] = field(default_factory=dict)

    async def connect(self, name: str, told: Mapping[str, Any]) -> Answer:
        """Make a client."""
        tls = told.get("tls", False)
        self.clients[name] = aio.Client(
            told["target"],
            tls=Tls(**tls) if isinstance(tls, dict) else tls,
            api_key=told.get("api_key", ""),
            timeout=told.get("timeout", 5_000) / 1000,
            retries=told.get("retries", 3),
            read_your_writes=told.get("read_your_writes", False),
        )
        return {}

    async def close(self, client: aio.Client, _: Mapping[str, Any]) -> Answer:
        """Close a client."""
        await client.close()
        return {}

    async def record(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Record an event."""
        event = event_of(told["event"])
        names = ("item_id", "text", "value", "occurred_at", "event_id", "surface", "attribution_token")
        more = {name: getattr(event, name) for name in names}
        found = await client.record(event.user_id, event.type, **more)
        return {"event_id": found.event_id, "freshness_token": found.freshness_token, "unchanged": found.unchanged}

    async def upsert(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Add items."""
        found = await client.upsert_items([item_of(one) for one in told["items"]], batch=told.get("batch", 100))
        refused = [{"index": one.index, "item_id": one.item_id, "error": error_of(one.error)} for one in found.refused]
        return {"accepted": found.accepted, "refused": refused}

    async def delete(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Remove items."""
        found = await client.delete_items(told["item_ids"])
        return {"deleted": found.deleted, "unknown": list(found.unknown_item_ids)}

    async def recommend(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Ask for a list."""
        found = await client.recommend(
            told["user_id"], min_freshness=told.get("min_freshness", ""), **told.get("options", {})
        )
        return list_of(found.items) | {"attribution_token": found.attribution_token}

    async def similar(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Ask for items like one."""
        return list_of(await client.similar(told["item_id"], **told.get("options", {})))

    async def search(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Ask for items by words."""
        return list_of(await client.search(told["query"], **told.get("options", {})))

    async def interests(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Ask what is known of a user."""
        found = await client.interests(told["user_id"], min_freshness=told.get("min_freshness", ""))
        return {
            "event_count": found.event_count,
            "interests": len(found.interests),
            "dislikes": len(found.dislikes),
        }

    async def record_many(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Record many events."""
        sizes = {name: told[name] for name in ("batch", "window") if name in told}
        return acknowledged([one async for one in client.record_many(map(event_of, told["events"]), **sizes)])

    async def open_recorder(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Open a long stream of events."""
        sizes = {name: told[name] for name in ("batch", "window") if name in told}
        self.recorders[told["name"]] = client.recorder(**sizes)
        return {}

    async def put(self, _: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Put events on it."""
        await self.recorders[told["name"]].put(*map(event_of, told["events"]))
        return {}

    async def flush(self, _: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Wait for its acknowledgements."""
        return acknowledged(await self.recorders[told["name"]].flush())

    async def close_recorder(self, _: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Flush and close it."""
        return acknowledged(await self.recorders.pop(told["name"]).close())

    async def open_stream(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Open a list that follows a user."""
        more = {"min_freshness": told.get("min_freshness", ""), **told.get("options", {})}
        steered = not told.get("watch", False)
        stream: Any = client.stream(told["user_id"], **more) if steered else client.watch(told["user_id"], **more)
        self.streams[told["name"]] = Opened(stream, lazy=told.get("lazy", False))
        return {}

    async def next(self, _: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Return the next update."""
        await asyncio.sleep(told.get("after", 0) / 1000)
        return update_of(await self.streams[told["name"]].next(told["within"] / 1000))

    async def latest(self, _: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Return the newest update there is."""
        await asyncio.sleep(told["after"] / 1000)
        return update_of(await self.streams[told["name"]].latest())

    async def shown(self, _: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Say what is on the screen."""
        await self.streams[told["name"]].stream.shown(told["positions"], sequence=told.get("sequence"))
        return {}

    async def change(self, _: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Ask for another list."""
        await self.streams[told["name"]].stream.change(**told.get("options", {}))
        return {}

    async def close_stream(self, _: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Leave a stream."""
        await self.streams.pop(told["name"]).close()
        return {}

    async def measure(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Do one thing many times, by the client or by the stubs."""
        return await MEASURED[told["what"]](client, told["user_id"], told["count"], told.get("item_ids", ()))

    async def raw(self, client: aio.Client, told: Mapping[str, Any]) -> Answer:
        """Ask by the generated stubs."""
        request = json_format.ParseDict(told["recommend"], recommendation_pb2.RecommendRequest())
        return {"response": json_format.MessageToDict(await client.raw.recommendations.Recommend(request, timeout=5))}

    async def do(self, told: Mapping[str, Any]) -> Answer:
        """Do what a line says."""
        name = told.get("client", "main")
        try:
            if told["do"] == "connect":
                return {"ok": await self.connect(name, told)}
            if told["do"] not in _VERBS:
                return {"error": {"kind": "Unsupported", "reason": "", "field": "", "message": told["do"]}}
            verb: Callable[[Any, Mapping[str, Any]], Awaitable[Answer]] = getattr(self, told["do"])
            return {"ok": await verb(self.clients.get(name), told)}
        except PenchantError as error:
            return {"error": error_of(error)}
        except NoUpdate:
            return {"error": {"kind": "NoUpdate", "reason": "", "field": "", "message": "", "retry_after": None}}


_VERBS = {name for name, value in vars(Driver).items() if callable(value) and not name.startswith("_")} - {"do"}


class NoUpdate(Exception):
    """None came in time."""


def update_of(found: results.Update) -> Answer:
    """Return an update as drivers tell it."""
    trigger = found.trigger
    return list_of(found.recommendations) | {
        "sequence": found.sequence,
        "changed": found.changed,
        "trigger": None
        if trigger is None
        else {"event_id": trigger.event_id, "type": trigger.type, "item_id": trigger.item_id},
    }


async def main() -> int:
    """Read lines until there are no more; return the status of the program."""
    driver = Driver()
    while line := await asyncio.to_thread(sys.stdin.readline):
        told = json.loads(line)
        if told["do"] == "leave":
            break
        sys.stdout.write(json.dumps(await driver.do(told)) + "\n")
        sys.stdout.flush()
    status = 0
    for client in driver.clients.values():
        try:
            await client.close()
        except PenchantError as error:
            sys.stderr.write(f"{error}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
