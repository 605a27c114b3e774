"""Encoders: what turns the words of items, searches and reviews into vectors of one space.

The scheme of a URL picks one: ``builtin:`` or ``hf:NAME_OR_FOLDER``. All are a model (``builtin``, ``huggingface``) run
by a ``worker``; ``cache`` stands in front and remembers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

from penchant_core.errors import InvalidSetting

from penchant_adapters.encoders.cache import CacheCounts, CachedEncoder
from penchant_adapters.encoders.vectorfile import VectorFile
from penchant_adapters.encoders.worker import TextModel, WorkerEncoder
from penchant_adapters.telemetry.metrics import Metrics
from penchant_adapters.telemetry.timed import TimedEncoder

__all__ = ["CacheCounts", "CachedEncoder", "VectorFile", "WorkerEncoder", "open_encoder", "opened_encoder"]


def open_encoder(url: str, *, threads: int | None = None, device: str = "auto") -> WorkerEncoder:
    """Load the model that *url* names and return its encoder; blocks for a second or more. Close it with ``aclose``.

    *threads* of the CPU default to one for the built-in model and to torch's choice, all cores, for others. *device* is
    ``auto`` (CUDA, else MPS, else CPU) or one that torch knows; the built-in model runs on the CPU only. Raises
    ``InvalidSetting`` when the URL, the device or the model cannot be used here.
    """
    scheme, colon, place = url.partition(":")
    if not colon or scheme not in _SCHEMES or url == "hf:":
        raise InvalidSetting(f"{url!r} names no encoder; use builtin: or hf:NAME_OR_FOLDER", field="encoder")
    if threads is not None and threads < 1:
        raise InvalidSetting(f"{threads} is below 1; leave it out for the default", field="encoder threads")
    return WorkerEncoder(_SCHEMES[scheme](place, threads, device))


# A model's module is imported when its scheme is chosen: the built-in one must not need torch, nor wait for it.
def _builtin(place: str, threads: int | None, device: str) -> TextModel:
    from penchant_adapters.encoders.builtin import UniversalSentenceEncoder  # noqa: PLC0415

    if place:
        raise InvalidSetting(f"'builtin:{place}' has nothing to name after the colon; use builtin:", field="encoder")
    if device not in {"auto", "cpu"}:
        raise InvalidSetting(f"the built-in encoder runs on the CPU only, not on {device!r}", field="device")
    return UniversalSentenceEncoder(threads or 1)


def _hugging_face(place: str, threads: int | None, device: str) -> TextModel:
    extra = "torch"
    try:
        from penchant_adapters.encoders.source import kind_of  # noqa: PLC0415

        kind = kind_of(place)
        extra = _EXTRAS.get(kind, extra)
        loader = import_module(f"penchant_adapters.encoders.{kind}")
    except ImportError as error:
        missing = f"hf:{place} needs {error.name}; run pip install 'penchant[{extra}]', or use builtin:"
        raise InvalidSetting(missing, field="encoder") from error
    model: TextModel = loader.load_model(place, threads=threads, device=device)
    return model


_EXTRAS = {"compiled": "int8", "static": "int8"}
"""Kind of model → the extra that is enough for it."""
_SCHEMES = {"builtin": _builtin, "hf": _hugging_face}


@asynccontextmanager
async def opened_encoder(
    url: str, threads: int | None, device: str, data_dir: Path, metrics: Metrics | None = None
) -> AsyncIterator[CachedEncoder]:
    """Open the encoder that *url* names behind its cache, whose file is in *data_dir*, ready to encode.

    The model is loaded in a thread: a service that has another one goes on answering.
    """
    inner = await asyncio.to_thread(open_encoder, url, threads=threads, device=device)
    async with inner, VectorFile(data_dir / "vectors.sqlite") as file:
        await inner.encode(["warm-up"])
        if metrics is None:
            yield CachedEncoder(inner, file)
        else:
            cached = CachedEncoder(TimedEncoder(inner, metrics.encoder_seconds), file)
            metrics.watch_texts(cached.counts)
            yield cached
