"""Those who encode the same texts beside the runtime, and what the device could do at most."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from penchant_adapters.encoders.batches import padded_batches
from penchant_adapters.encoders.tokenized import TokenizedModel, Tokens
from penchant_core.vectors import Matrix

THEIRS = "sentence-transformers"
NAMES = (THEIRS, f"{THEIRS}, float16", f"{THEIRS}, one by one", "ONNX Runtime")
_KNOWN = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "sve", "i8mm")
"""What a CPU may know, by Linux's names; which number is the fastest depends on it."""


def on_gpu() -> bool:
    """Tell whether all is measured on a GPU."""
    import torch  # noqa: PLC0415 seconds

    return torch.cuda.is_available()


def batch_sizes() -> tuple[int, ...]:
    """Return the batch sizes of sentence-transformers that are tried; the best of them counts."""
    return (32, 128, 512) if on_gpu() else (8, 32)


def device_told() -> str:
    """Return the device in words."""
    import torch  # noqa: PLC0415 seconds

    if on_gpu():
        return torch.cuda.get_device_name()
    about = Path("/proc/cpuinfo")
    flags = about.read_text(encoding="utf-8").split() if about.exists() else []
    return f"CPU ({', '.join(name for name in _KNOWN if name in flags) or 'unknown'}); no GPU was measured"


class Others:
    """Those others."""

    def __init__(self, place: str, folder: Path) -> None:
        """*place* is the model, *folder* one to write into."""
        self._full = _theirs(place, "float32")
        self._half = _theirs(place, "float16") if on_gpu() else None
        self._onnx = None if on_gpu() else _onnx(place, folder)
        self.peak = _peak() if on_gpu() else 0.0
        """Operations per second of a GPU, multiplying two large matrices; 0: none is measured."""
        self.operations = _operations(place)
        """Of a token."""

    def runs(self, texts: Sequence[str]) -> dict[str, Callable[[], object]]:
        """Return a run over the texts for each."""
        found: dict[str, Callable[[], object]] = {f"{THEIRS}, one by one": partial(_one_by_one, self._full, texts)}
        for size in batch_sizes():
            found[f"{THEIRS} {size}"] = partial(self._full, texts, batch_size=size)
            if self._half is not None:
                found[f"{THEIRS}, float16 {size}"] = partial(self._half, texts, batch_size=size)
        if self._onnx is not None:
            found["ONNX Runtime"] = self._onnx(texts)
        return found

    def best(self, rates: Mapping[str, float]) -> dict[str, float]:
        """Return rates with the best batch size of each in its name without a size."""
        found = dict(rates)
        for name in (THEIRS, f"{THEIRS}, float16"):
            if sizes := [found.pop(f"{name} {size}") for size in batch_sizes() if f"{name} {size}" in found]:
                found[name] = max(sizes)
        return found

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Return their vectors in float32."""
        rows: Matrix = self._full(texts)
        return rows


def prepared(model: TokenizedModel, texts: Sequence[str]) -> list[Tokens]:
    """Return the tokens of texts in padded batches."""
    read = model.reader.read(texts)
    return [
        model.reader.padded([read[position] for position in batch])
        for batch in padded_batches([one.length for one in read], model.room.length)
    ]


def _theirs(place: str, number: str) -> Callable[..., Matrix]:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 seconds

    model = SentenceTransformer(place, model_kwargs={"dtype": number})
    return partial(model.encode, convert_to_numpy=True, show_progress_bar=False, normalize_embeddings=True)


def _one_by_one(encode: Callable[[list[str]], object], texts: Sequence[str]) -> None:
    for text in texts:
        encode([text])


def _peak() -> float:
    import torch  # noqa: PLC0415 seconds

    side, products = 8_192, 20
    one = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    for _ in range(3):
        torch.mm(one, one)
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(products):
        torch.mm(one, one)
    torch.cuda.synchronize()
    return products * 2.0 * float(side**3) / (time.perf_counter() - begin)


def _operations(place: str) -> float:
    """Return two for each weight of the layers; attention, which grows with a text, is left out."""
    import torch  # noqa: PLC0415 seconds
    from penchant_adapters.encoders.huggingface import load_parts  # noqa: PLC0415

    layers = load_parts(place, torch.device("cpu"), torch.float32).model.encoder
    return 2.0 * float(sum(one.numel() for one in layers.parameters()))


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
        batches = [{k: v for k, v in batch.items() if k in names} for batch in prepared(model, texts)]

        def run() -> None:
            for batch in batches:
                session.run(None, batch)

        return run

    return over
