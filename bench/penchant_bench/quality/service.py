"""The same protocol through a running service: items and events in over gRPC streams, lists out by ``Recommend``."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import penchant
from penchant.aio import Client
from penchant_adapters.sequences import write_sequence_model
from penchant_adapters.together import write_together_model
from penchant_core.trained import UNTRAINED, Trained
from penchant_core.tuning import Tuning
from penchant_relevance.asks import Ask, Asks
from penchant_relevance.evaluation import Progress
from penchant_relevance.log import Indices, Log
from penchant_relevance.measure import SHOWN, Outcome, figures
from penchant_relevance.plans import Plan

from penchant_bench.quality.report import SERVED
from penchant_bench.speed.process import service

AT_ONCE = 16
"""Lists asked for at the same time where nothing is learnt in between."""
BATCH, WINDOW = 500, 4_000
"""Events in one request, and on their way at once."""


@dataclass(frozen=True)
class ServiceMeasurement:
    """One data set through a service of its own, started with one tuning on an empty store."""

    log: Log
    plan: Plan
    tuning: Tuning
    encoder: str
    progress: Progress
    validation: bool = False

    async def run(self, trained: Trained = UNTRAINED) -> dict[str, Any]:
        """Return the figures of the main variant, and the seconds that learning and asking took.

        The service has the *trained* models.
        """
        asks = self.plan.asks(self.log, self.tuning.weights, validation=self.validation)
        outcome, spent = Outcome(self.plan.measures), {"learning": 0.0, "asking": 0.0}
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="penchant-eval-"))
            given = settings(self.tuning) | _written(Path(folder), trained)
            started = service(Path(folder) / "store", encoder=self.encoder, **given)
            server = await stack.enter_async_context(started)
            client = await stack.enter_async_context(Client(server.address, timeout=60.0))
            await self._upsert(client)
            await self._follow(client, asks, outcome, spent)
        found: dict[str, Any] = figures({SERVED: outcome}, len(self.log.items), SERVED)[SERVED]
        return found | {"seconds": spent}

    async def _upsert(self, client: Client) -> None:
        items = [
            penchant.Item(
                item_id=item.item_id, title=item.title, description=item.description, categories=item.categories
            )
            for item in self.log.items
        ]
        result = await client.upsert_items(items, batch=500)
        if result.refused:
            raise RuntimeError(f"the service refused {len(result.refused)} items, first {result.refused[0]}")

    async def _follow(self, client: Client, asked: Asks, outcome: Outcome, spent: dict[str, float]) -> None:
        events, asks = 0, 0
        total_events, total_asks = len(self.log), asked.size()
        for block in asked.blocks():
            begin = time.perf_counter()
            if isinstance(block, list):
                await self._ask(client, block, outcome)
                asks += len(block)
                spent["asking"] += time.perf_counter() - begin
            else:
                async for done in self._record(client, block):
                    self.progress("service: events", events + done, total_events)
                events += len(block)
                spent["learning"] += time.perf_counter() - begin
            self.progress("service: asks", asks, total_asks)

    async def _record(self, client: Client, positions: Indices) -> AsyncIterator[int]:
        events = (self._event(int(position)) for position in positions)
        done = 0
        async for answer in client.record_many(events, batch=BATCH, window=WINDOW):
            if answer.error is not None:
                raise answer.error
            done += 1
            if done % BATCH == 0:
                yield done
        yield done

    def _event(self, position: int) -> penchant.Event:
        event = self.log.events[position]
        return penchant.Event(
            user_id=event.user_id,
            type=event.type,
            item_id=event.item_id,
            text=event.text,
            value=event.value,
            occurred_at=datetime.fromtimestamp(event.occurred_at / 1000, UTC),
            event_id=event.event_id,
        )

    async def _ask(self, client: Client, asks: Sequence[Ask], outcome: Outcome) -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        size = max(measure.size for measure in outcome.measures)

        async def one(ask: Ask) -> list[int]:
            async with gate:
                found = await client.recommend(self.log.users[ask.user], page_size=size)
            return [self.log.index[item.item_id] for item in found.items]

        for ask, shown in zip(asks, await asyncio.gather(*map(one, asks)), strict=True):
            places = {item: place for place, item in enumerate(shown)}
            found = np.array([places.get(target, np.inf) for target in ask.targets.tolist()])
            outcome.add(ask, found, shown[:SHOWN])


def _written(folder: Path, trained: Trained) -> dict[str, object]:
    """Write models below a folder; return the settings that name them."""
    found: dict[str, object] = {}
    if trained.sequence is not None:
        found["sequence_model"] = str(write_sequence_model(folder / "sequence", trained.sequence, {}).parent)
    if trained.together is not None:
        found["together_model"] = str(write_together_model(folder / "together", trained.together, {}).parent)
    return found


def settings(tuning: Tuning) -> dict[str, object]:
    """Return a tuning as settings of the service: nested names to values."""
    parts = {"scoring": asdict(tuning.scoring), "covisitation": asdict(tuning.covisitation)}
    numbers = {
        f"{part}__{name}": value
        for part, values in parts.items()
        for name, value in values.items()
        if value is not None
    }
    return numbers | {"weights": orjson.dumps(dict(tuning.weights.by_type)).decode()}
