"""What recipes cost in relevance and save in time and memory, beside the model as it is."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from penchant_adapters.edge import open_edge
from penchant_core.model import Filter
from penchant_core.ports import Query
from penchant_core.tuning import Covisitation, Tuning
from penchant_core.vectors import Matrix

from penchant_relevance.asks import Asks
from penchant_relevance.compressing.recipes import Recipe
from penchant_relevance.compressing.trying import TEXTS, Speed
from penchant_relevance.encoding import STEP, content_of
from penchant_relevance.evaluation import Learners
from penchant_relevance.halved import worth
from penchant_relevance.log import Log
from penchant_relevance.measure import Measure
from penchant_relevance.metrics import SEED, Bootstrap
from penchant_relevance.parts import parts
from penchant_relevance.scoring import Content, Mixture

MOST_ASKS = 3_000
"""Asks that recipes are compared on; of more, as many are drawn."""
NEIGHBOURS = 10
SEARCHES, DEPTH = 100, 100
WORDS_ALONE = "text only"


@dataclass
class Tried:
    """A recipe that was carried out."""

    recipe: Recipe
    content: Content
    dim: int
    model_bytes: int | None
    """Of the weights of a model in a folder."""
    speed: Speed
    search_seconds: float
    """Median of a search for ``DEPTH`` candidates among all items, in the embedded engine."""
    made: dict[str, Any] = field(default_factory=dict)
    """Figures of its making."""


def carried_out(log: Log, recipe: Recipe, url: str, rows: Matrix, speed: Speed) -> Tried:
    """Keep vectors as a recipe says, and look how long searches take; *rows* are what the model says of a log."""
    kept, seconds = asyncio.run(_kept(log, rows[: len(log.items)], recipe))
    content = content_of(log, np.concatenate([kept, rows[len(log.items) :]]))
    return Tried(recipe, content, rows.shape[1], _weights(url), speed, seconds)


def sample_of(log: Log) -> list[str]:
    """Return texts to take the time of."""
    drawn = np.random.default_rng(SEED).permutation(len(log.items))[:TEXTS]
    return [log.items[each].words for each in drawn]


def _weights(url: str) -> int | None:
    folder = Path(url.removeprefix("hf:"))
    sizes = [path.stat().st_size for pattern in ("**/*.safetensors", "openvino/*.bin") for path in folder.glob(pattern)]
    return sum(sizes) if sizes and url.startswith("hf:") else None


async def _kept(log: Log, rows: Matrix, recipe: Recipe) -> tuple[Matrix, float]:
    """Return what a store keeps of items' vectors, and the median seconds of a search there."""
    ids = [item.item_id for item in log.items]
    with (
        TemporaryDirectory() as folder,
        open_edge(Path(folder), "compared", rows.shape[1], Covisitation(), 0, vectors=recipe.vectors) as store,
    ):
        await store.items.put(list(zip(log.items, rows, strict=True)))
        found = []
        for start in range(0, len(ids), STEP):
            known = await store.items.known(ids[start : start + STEP])
            found += [known[each].vector for each in ids[start : start + STEP]]
        asked = np.random.default_rng(SEED).integers(len(rows), size=SEARCHES)
        seconds = []
        for row in rows[asked]:
            query = Query(row, [row], {}, 0.0, Filter(), depth=DEPTH)
            begun = time.perf_counter()
            await store.items.candidates(query)
            seconds.append(time.perf_counter() - begun)
    return np.stack(found), float(np.median(seconds))


def compared(asks: Asks, tuning: Tuning, measure: Measure, rows: Sequence[Tried]) -> list[dict[str, Any]]:
    """Return figures of each row; the first is the model as it is, which the others are set against."""
    learners = Learners(asks, tuning)
    alone = parts(tuning)[WORDS_ALONE]
    models = [Mixture(mixed, row.content, learners.counts) for row in rows for mixed in (tuning, alone)]
    wanted = np.random.default_rng(SEED).permutation(asks.size())[:MOST_ASKS]
    found = worth(asks, set(wanted.tolist()), learners, models, measure)
    first = rows[0]
    near = _neighbours(first.content.items)
    return [
        {
            "recipe": row.recipe.name,
            "asks": len(wanted),
            measure.name: _figure(found, 2 * position, 0),
            f"{measure.name} of words alone": _figure(found, 2 * position + 1, 1),
            "same_neighbours": _shared(near, _neighbours(row.content.items)),
            "texts_per_second": row.speed.texts_per_second,
            "times_as_fast": row.speed.times_as_fast,
            "peak_bytes": row.speed.peak_bytes,
            "model_bytes": row.model_bytes,
            "vector_bytes": row.recipe.bytes_of(first.dim),
            "search_seconds": row.search_seconds,
            **row.made,
        }
        for position, row in enumerate(rows)
    ]


def _figure(found: Bootstrap, column: int, first: int) -> dict[str, Any]:
    return {"mean": float(found.means[column]), "cost": asdict(found.difference(column, first))}


def _neighbours(rows: Matrix) -> NDArray[np.int64]:
    """Return the nearest items of some items, shape (sample, ``NEIGHBOURS``)."""
    sample = np.random.default_rng(SEED).permutation(len(rows))[:1_000]
    likeness = rows[sample] @ rows.T
    likeness[np.arange(len(sample)), sample] = -np.inf
    count = min(NEIGHBOURS, len(rows) - 1)
    nearest: NDArray[np.int64] = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
    return nearest


def _shared(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(one.tolist(), other.tolist(), strict=True)]))
